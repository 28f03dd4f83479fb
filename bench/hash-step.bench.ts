/** A whole HashAttention step: maps, distances, selection, attention to what is selected and around it, merge; over as
 *  many layers as keep everything out of the caches. */
import { prepareAttendSelected } from '../src/kernels/attend/attend-selected.ts';
import { prepareHashQuery } from '../src/kernels/hash-query/hash-query.ts';
import { Arena } from '../src/kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { prepareSelectTokens } from '../src/kernels/select-tokens/select-tokens.ts';
import { mapBiasBytes, mapWeightBytes, type SignatureMap } from '../src/kernels/shared/signature-map.ts';
import { blockSumsShape, type TailKind } from '../src/kernels/shared/token-blocks.ts';
import { countedWords } from '../src/kernels/shared/token-chunks.ts';
import { prepareFill } from './ceiling.ts';
import { edgeTokens, hashStepBytes } from './hash-step-bytes.ts';
import { perPart, type Timing, timeBySlope } from './timing.ts';

export interface HashStepCase {
  readonly context: number;
  readonly kvHeads: number;
  readonly group: number;
  /** Of both maps; the first is headDim, the last the bits. */
  readonly widths: readonly number[];
  /** Tokens selected, as a share of the context: 1/denominator. */
  readonly denominator: number;
  readonly layers: number;
  readonly tail: TailKind;
  /** Signatures of equal words in runs of this many tokens: what is selected then comes in runs. 1: all independent. */
  readonly run?: number;
  readonly splits?: number;
  readonly chunks?: number;
  /** Of measuring; the median counts. */
  readonly rounds?: number;
}

export interface HashStepTiming {
  /** Per layer: of the step, and of each of its dispatches alone on the GPU, in milliseconds. */
  readonly timing: Timing;
  readonly dispatchMs: Readonly<Record<string, number>>;
  /** Bytes per layer that must be read: maps, signatures once, attended rows of K and V. */
  readonly bytes: number;
  readonly splits: number;
  readonly chunks: number;
}

const shareUnit = 65536;

export async function benchHashStep(gpu: Gpu, spec: HashStepCase): Promise<HashStepTiming> {
  const { context, kvHeads, group, widths, layers, tail, rounds = 3 } = spec;
  const arena = new Arena(gpu);
  const fill = await prepareFill(gpu);
  const qHeads = kvHeads * group;
  const headDim = widths[0]!;
  const bits = widths.at(-1)!;
  const words = bits === 64 ? 2 : 1;
  const width = Math.max(...widths);
  const score = { kind: 'asymmetric', queryBits: 4 } as const;
  const [hashQuery, select] = await Promise.all([
    prepareHashQuery(gpu, { qHeads, width }),
    prepareSelectTokens(gpu, { score, summed: group, words, signatures: 'shared' }),
  ]);
  const attend = await prepareAttendSelected(gpu, {
    headDim,
    group,
    lists: 'kv-head',
    tail,
    bins: select.bins,
  });
  const chunks = spec.chunks ?? select.chunksFor(context, kvHeads);
  const countedShape = { bins: select.bins, chunks };
  const counted = {
    ...countedShape,
    buffer: arena.tensor('counted', 'u32', [countedWords(kvHeads, context, countedShape)]),
  };
  const tokens = 2 * edgeTokens + Math.floor(context / spec.denominator);
  const scratch = attend.scratch(arena, {
    ...{ kvHeads, capacity: context, tokens },
    ...(spec.splits ? { splits: spec.splits } : {}),
  });
  const uniform = (label: string, ...words: number[]) => ({
    buffer: arena.uniform(label, Uint32Array.from(words).buffer),
  });
  const step = uniform('step', context - 1, 1, 0, 0);
  const budget = uniform('budget', edgeTokens, edgeTokens, 0, shareUnit / spec.denominator);
  const query = arena.tensorFrom(
    'query',
    'f32',
    [qHeads * headDim],
    new Float32Array(qHeads * headDim).fill(0.1),
  );
  const mapped = arena.tensor('mapped', 'f32', [qHeads, bits]);
  const out = arena.tensor('out', 'f32', [qHeads, headDim]);
  const mapOf = (heads: number, seed: number): SignatureMap => {
    const weights = arena.buffer('map weights', mapWeightBytes(heads, widths));
    const biases = arena.buffer('map biases', mapBiasBytes(heads, widths));
    // halves of about 0.004
    fill(weights, 0, 0x1c001c00 + seed);
    fill(biases, 0, 0x3c000000);
    return { heads, widths, weights: { buffer: weights }, biases: { buffer: biases } };
  };
  const lists: (readonly Dispatch[])[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const side = kvHeads * context * headDim * 2;
    const keyCache = { buffer: arena.buffer(`key ${layer}`, side) };
    const valueCache = { buffer: arena.buffer(`value ${layer}`, side) };
    fill(keyCache.buffer, 0, 0x1c001c00 + layer);
    fill(valueCache.buffer, 0, 0x1c101c00 + layer);
    const signatures = arena.tensor(`signatures ${layer}`, 'u32', [kvHeads, context, words]);
    if ((spec.run ?? 1) === 1) fill(signatures.buffer, layer + 1);
    else
      gpu.device.queue.writeBuffer(
        signatures.buffer,
        0,
        inRuns(kvHeads * context * words, spec.run! * words),
      );
    const blockSums = arena.tensor(`blocks ${layer}`, 'f32', blockSumsShape(kvHeads, context, headDim));
    const common = { label: `layer ${layer}`, step, keyCache, kvHeads, capacity: context };
    lists.push([
      hashQuery(arena, {
        ...common,
        ...{ query, queryMap: mapOf(qHeads, 2 * layer), keyMap: mapOf(kvHeads, 2 * layer + 1) },
        ...{ mapped, signatures, headDim },
      }),
      select.count(arena, {
        ...{ label: 'count', step, budget, mapped, signatures, counted },
        ...{ lists: kvHeads, listsPerHead: 1, capacity: context },
      }),
      ...attend.attend(arena, { ...common, budget, query, valueCache, counted, blockSums, scratch, out }),
    ]);
  }
  submitDispatches(gpu, lists.flat());
  const time = async (list: readonly Dispatch[]): Promise<Timing> =>
    perPart(await timeBySlope(gpu, list, { rounds }), layers);
  const timing = await time(lists.flat());
  const dispatchMs: Record<string, number> = {};
  for (const [index, { kernel }] of lists[0]!.entries()) {
    dispatchMs[kernel] = (await time(lists.map((list) => list[index]!))).gpuMs;
  }
  arena.dispose();
  return { timing, dispatchMs, bytes: hashStepBytes(spec), splits: scratch.splits, chunks };
}

function inRuns(count: number, run: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i++) words[i] = Math.imul(Math.floor(i / run) + 1, 0x9e3779b1) >>> 0;
  return words;
}
