/** Writes a safetensors file, tensors in the order given. */
export interface TensorData {
  readonly name: string;
  readonly dtype: 'F32' | 'F16' | 'BF16' | 'U32';
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function writeSafetensors(
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + end);
  new DataView(file.buffer).setUint32(0, text.length, true);
  file.set(text, 8);
  let at = 8 + text.length;
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

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
