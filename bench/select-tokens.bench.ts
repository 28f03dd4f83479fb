/** Selecting tokens by signature, both dispatches, over as many layers as a long context's memory allows. */
import { Arena } from '../src/kernels/runtime/arena.ts';
import type { Dispatch } from '../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { prepareSelectTokens, type SelectTokensVariant } from '../src/kernels/select-tokens/select-tokens.ts';
import { countedWords } from '../src/kernels/shared/token-chunks.ts';
import { Random } from '../src/kernels/testing/random.ts';
import { prepareFill } from './ceiling.ts';
import { perPart, type Timing, timeBySlope } from './timing.ts';

const summed = 4;

export interface SelectTokensCase {
  readonly context: number;
  readonly kvHeads: number;
  /** Different signatures, planes and lists, so that the caches hold none of them where there are enough. */
  readonly layers: number;
  readonly variant?: SelectTokensVariant;
  readonly chunks?: number;
}

/** Time per layer for 1/32 of the context by 32-bit signatures and four query planes, of each dispatch alone
 *  too; bytes of signatures per layer, which both dispatches read. */
export async function benchSelectTokens(
  gpu: Gpu,
  spec: SelectTokensCase,
): Promise<{ timing: Timing; counting: Timing; listing: Timing; bytes: number; chunks: number }> {
  const { context, kvHeads, layers } = spec;
  const arena = new Arena(gpu);
  const fill = await prepareFill(gpu);
  const select = await prepareSelectTokens(gpu, {
    score: { kind: 'asymmetric', queryBits: 4 },
    summed,
    words: 1,
    signatures: 'shared',
    ...(spec.variant ? { variant: spec.variant } : {}),
  });
  const chunks = spec.chunks ?? select.chunksFor(context, kvHeads);
  const listCapacity = Math.ceil(context / 32);
  const step = { buffer: arena.uniform('step', Uint32Array.of(context - 1, 1, 0, 0).buffer) };
  const budget = { buffer: arena.uniform('budget', Uint32Array.of(128, 128, 0, 65536 / 32).buffer) };
  const shape = { chunks, bins: select.bins };
  const counted = {
    ...shape,
    buffer: arena.tensor('counted', 'u32', [countedWords(kvHeads, context, shape)]),
  };
  const counting: Dispatch[] = [];
  const listing: Dispatch[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const signatures = arena.tensor(`signatures ${layer}`, 'u32', [kvHeads, context]);
    const count = kvHeads * summed * 32;
    const mapped = arena.tensorFrom(`mapped ${layer}`, 'f32', [count], new Random(layer).normals(count));
    fill(signatures.buffer, layer);
    const args = {
      label: `layer ${layer}`,
      step,
      budget,
      counted,
      lists: kvHeads,
      capacity: context,
    };
    const list = arena.tensor(`list ${layer}`, 'u32', [kvHeads, listCapacity]);
    counting.push(select.count(arena, { ...args, mapped, signatures, listsPerHead: 1 }));
    listing.push(select.list(arena, { ...args, list, listCapacity }));
  }
  const both = counting.flatMap((count, layer) => [count, listing[layer]!]);
  const time = async (list: readonly Dispatch[]): Promise<Timing> =>
    perPart(await timeBySlope(gpu, list), layers);
  const times = { timing: await time(both), counting: await time(counting), listing: await time(listing) };
  arena.dispose();
  return { ...times, bytes: kvHeads * context * 4, chunks };
}
