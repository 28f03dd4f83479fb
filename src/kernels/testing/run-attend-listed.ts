/** Runs attention over lists once without a tail and once with each kind, and reads back what they leave. */
import type { AttendBlocks } from '../attend/attend-blocks.ts';
import type { AttendListed } from '../attend/attend-listed.ts';
import type { AttendTail } from '../attend/attend-tail.ts';
import type { TokenBudget } from '../hash-reference/token-set.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { readF32 } from '../runtime/readback.ts';
import { blockSumsShape } from '../shared/token-blocks.ts';

export interface ListedProblem {
  readonly attend: AttendListed;
  readonly tail: AttendTail;
  readonly blocks: AttendBlocks;
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
  readonly position: number;
  readonly budget: TokenBudget;
  /** By list, ascending. */
  readonly lists: readonly (readonly number[])[];
  readonly listCapacity: number;
  /** [qHeads, headDim] */
  readonly query: Float32Array<ArrayBuffer>;
  /** Packed halves of [kvHeads, capacity, headDim]. */
  readonly keys: Uint32Array<ArrayBuffer>;
  readonly values: Uint32Array<ArrayBuffer>;
  /** Of the tokens before the current one. */
  readonly blockSums: Float32Array<ArrayBuffer>;
  readonly splits: number;
  readonly slots: number;
}

export interface ListedResult {
  /** [qHeads, headDim] */
  readonly out: Float32Array;
  readonly outWithTail: Float32Array;
  readonly outWithBlocks: Float32Array;
  /** With the current token, as the tail of one mean leaves them, and as that of blocks does. */
  readonly blockSums: readonly Float32Array[];
  /** `out` of a second run over partial results that hold something else. */
  readonly again: Float32Array;
}

export async function runAttendListed(gpu: Gpu, problem: ListedProblem): Promise<ListedResult> {
  const { attend, tail, blocks, qHeads, kvHeads, headDim, capacity, position, lists, listCapacity } = problem;
  const { budget, splits, slots } = problem;
  const arena = new Arena(gpu);
  const entries = new Uint32Array(lists.length * listCapacity).fill(0xffffffff);
  for (const [i, list] of lists.entries()) entries.set(list, i * listCapacity);
  const { sink, window, count, share } = budget;
  const cacheShape = [kvHeads, capacity, headDim];
  const sumsShape = blockSumsShape(kvHeads, capacity, headDim);
  const out = arena.tensor('out', 'f32', [qHeads, headDim]);
  const outWithTail = arena.tensor('out with tail', 'f32', [qHeads, headDim]);
  const outWithBlocks = arena.tensor('out with blocks', 'f32', [qHeads, headDim]);
  const sumsOf = (label: string) => arena.tensorFrom(label, 'f32', sumsShape, problem.blockSums);
  const [blockSums, otherSums] = [sumsOf('block sums'), sumsOf('block sums of blocks')];
  const parts = splits + slots;
  const common = {
    step: { buffer: arena.uniform('step', Uint32Array.of(position, 1, 0, 0).buffer) },
    budget: { buffer: arena.uniform('budget', Uint32Array.of(sink, window, count, share).buffer) },
    query: arena.tensorFrom('query', 'f32', [qHeads, headDim], problem.query),
    keyCache: arena.tensorFrom('keys', 'f16-packed', cacheShape, problem.keys),
    valueCache: arena.tensorFrom('values', 'f16-packed', cacheShape, problem.values),
    tokenLists: arena.tensorFrom('lists', 'u32', [lists.length, listCapacity], entries),
    blockSums,
    tailSums: arena.tensor('tail sums', 'f32', tail.tailSumsShape(kvHeads, slots, splits)),
    partials: arena.tensor('partials', 'f32', blocks.partialsShape(kvHeads, splits, slots)),
    kvHeads,
    capacity,
    listCapacity,
    splits,
    slots,
  };
  const withoutTail = [
    attend.split(arena, { label: 'split', ...common }),
    attend.merge(arena, { label: 'merge', ...common, out }),
  ];
  submitDispatches(gpu, [
    ...withoutTail,
    tail.split(arena, { label: 'split with tail', ...common }),
    tail.merge(arena, { label: 'merge with tail', ...common, out: outWithTail }),
    blocks.split(arena, { label: 'split with blocks', ...common, blockSums: otherSums }),
    blocks.merge(arena, { label: 'merge with blocks', ...common, splits: parts, out: outWithBlocks }),
  ]);
  const result = {
    out: await readF32(gpu, out),
    outWithTail: await readF32(gpu, outWithTail),
    outWithBlocks: await readF32(gpu, outWithBlocks),
    blockSums: [await readF32(gpu, blockSums), await readF32(gpu, otherSums)],
  };
  gpu.device.queue.writeBuffer(
    common.partials.buffer,
    0,
    new Float32Array(common.partials.buffer.size / 4).fill(-3),
  );
  submitDispatches(gpu, withoutTail);
  const again = await readF32(gpu, out);
  arena.dispose();
  return { ...result, again };
}
