/** Hashing a decode step, query maps and key map, over as many layers' maps as no cache holds; and keys in bulk. */
import { prepareHashKeys } from '../src/kernels/hash-keys/hash-keys.ts';
import { prepareHashQuery } from '../src/kernels/hash-query/hash-query.ts';
import { Arena } from '../src/kernels/runtime/arena.ts';
import type { Dispatch } from '../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import type { MapVariant } from '../src/kernels/shared/hashed-cache.ts';
import { mapBiasBytes, mapWeightBytes, type SignatureMap } from '../src/kernels/shared/signature-map.ts';
import { prepareFill } from './ceiling.ts';
import { perPart, type Timing, timeBySlope } from './timing.ts';

export interface HashQueryCase {
  readonly kvHeads: number;
  readonly group: number;
  /** Of both maps; the first is headDim, the last the bits. */
  readonly widths: readonly number[];
  /** Different maps and keys. */
  readonly layers: number;
  readonly context: number;
  readonly variant?: MapVariant;
}

/** Time per layer of a decode step's hashing, with the bytes of its maps, and of hashing a whole context. */
export async function benchHashQuery(
  gpu: Gpu,
  spec: HashQueryCase,
): Promise<{ timing: Timing; bytes: number; bulk: Timing }> {
  const { kvHeads, group, widths, layers, context } = spec;
  const arena = new Arena(gpu);
  const fill = await prepareFill(gpu);
  const qHeads = kvHeads * group;
  const headDim = widths[0]!;
  const words = widths.at(-1)! / 32;
  const width = Math.max(...widths);
  const variant = spec.variant ? { variant: spec.variant } : {};
  const hashQuery = await prepareHashQuery(gpu, { qHeads, width, ...variant });
  const hashKeys = await prepareHashKeys(gpu, { width, ...variant });
  const mapOf = (heads: number, seed: number): SignatureMap => {
    const weights = arena.buffer('map weights', mapWeightBytes(heads, widths));
    const biases = arena.buffer('map biases', mapBiasBytes(heads, widths));
    fill(weights, seed);
    fill(biases, seed + 1);
    return { heads, widths, weights: { buffer: weights }, biases: { buffer: biases } };
  };
  const stepOf = (position: number, rows: number) => ({
    buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer),
  });
  const query = arena.tensor('query', 'f32', [qHeads, headDim]);
  const mapped = arena.tensor('mapped', 'f32', [qHeads, 32 * words]);
  const keyCache = arena.tensor('keys', 'f16-packed', [kvHeads, context, headDim]);
  const signatures = arena.tensor('signatures', 'u32', [kvHeads, context, words]);
  const common = { keyCache, signatures, kvHeads, headDim, capacity: context };
  const alone: Dispatch[] = [];
  const bulk: Dispatch[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const keyMap = mapOf(kvHeads, 4 * layer);
    const queryMap = mapOf(qHeads, 4 * layer + 2);
    const label = `layer ${layer}`;
    alone.push(
      hashQuery(arena, { ...common, label, step: stepOf(context - 1, 1), query, queryMap, keyMap, mapped }),
    );
    if (layer === 0) {
      bulk.push(hashKeys(arena, { ...common, label, step: stepOf(0, context), keyMap, rows: context }));
    }
  }
  const timing = perPart(await timeBySlope(gpu, alone), layers);
  const inBulk = await timeBySlope(gpu, bulk);
  arena.dispose();
  const bytes = [qHeads, kvHeads].reduce(
    (sum, heads) => sum + mapWeightBytes(heads, widths) + mapBiasBytes(heads, widths),
    0,
  );
  return { timing, bytes, bulk: inBulk };
}
