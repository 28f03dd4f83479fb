/** Checkpoints in shards, as tests write them. */
import { type TensorData, writeSafetensors } from '../../src/model/write-safetensors.ts';

/** Spreads tensors over shards and writes them with their index. */
export function writeShards(
  tensors: readonly TensorData[],
  shardOf: (index: number) => number,
): Map<string, Uint8Array<ArrayBuffer>> {
  const shards = new Map<string, TensorData[]>();
  tensors.forEach((tensor, index) => {
    const name = `model-0000${shardOf(index)}.safetensors`;
    shards.set(name, [...(shards.get(name) ?? []), tensor]);
  });
  const entries = [...shards].flatMap(([shard, inShard]) =>
    inShard.map(({ name }) => [name, shard] as const),
  );
  const index = new TextEncoder().encode(JSON.stringify({ weight_map: Object.fromEntries(entries) }));
  const files = new Map([...shards].map(([shard, inShard]) => [shard, writeSafetensors(inShard)]));
  return files.set('model.safetensors.index.json', index);
}
