/** What the last layer of rows evaluated in bulk had and did, and decode steps in their place. */
import { expect } from 'vitest';
import type { RowEvaluator } from '../../src/engine/evaluate/row-evaluator.ts';
import type { RowPolicy } from '../../src/engine/evaluate/row-policy.ts';
import type { Network } from '../../src/engine/network/network.ts';
import { scoreSteps } from '../../src/engine/network/score.ts';
import {
  attendedTokens,
  type TokenBudget,
  tokenRanges,
} from '../../src/kernels/hash-reference/token-set.ref.ts';
import type { Gpu } from '../../src/kernels/runtime/gpu.ts';
import { readF32, readU32 } from '../../src/kernels/runtime/readback.ts';
import { negativeLogLikelihood } from './golden.ts';
import { type LastLayer, readLayerCache, readLayerLists } from './last-layer.ts';

/** A unit of f16 at 1. */
const lossBound = 2 ** -10;

/** By row, the sets that the last sparse layer attended to, with queries, attended values and the cache of the network's last
 *  layer. @throws Error where a row lacks sink or window, or has a token of the future. */
export async function readLastRows(
  gpu: Gpu,
  network: Network,
  evaluator: RowEvaluator,
  policy: RowPolicy,
  budget: TokenBudget,
  { position, count }: { readonly position: number; readonly count: number },
): Promise<LastLayer[]> {
  const { qHeads, headDim, layers } = network.config;
  const { act, scratch } = await evaluator.lastChunk(policy);
  const cache = await readLayerCache(gpu, network, layers - 1);
  const width = qHeads * headDim;
  const queries = await readF32(gpu, act.query);
  const attended = await readF32(gpu, act.attended);
  const mask = scratch ? await readU32(gpu, scratch.mask) : new Uint32Array();
  const [lists = 0, rows = 0, words = 0] = scratch?.mask.shape ?? [];
  return Array.from({ length: count }, (_, row) => {
    const length = position + row + 1;
    const set = tokenRanges(length, budget);
    const ofList = (list: number): number[] => {
      const bits = mask.subarray((list * rows + row) * words, (list * rows + row + 1) * words);
      const all = Array.from({ length: 32 * words }, (_, token) => token);
      const taken = all.filter((token) => (bits[token >> 5]! >>> (token & 31)) & 1);
      const between = taken.filter((token) => token >= set.sinkEnd && token < set.windowStart);
      const wanted = attendedTokens(length, set, between);
      if (`${taken}` !== `${wanted}`) throw new Error(`row ${row}, list ${list}: attends to ${taken}`);
      return between;
    };
    return {
      ...{ ...cache, ...set, length, lists: Array.from({ length: lists }, (_, list) => ofList(list)) },
      query: queries.subarray(row * width, (row + 1) * width),
      attended: attended.subarray(row * width, (row + 1) * width),
    };
  });
}

/** Holds losses scored in bulk against decode steps, each from the keys and values that the bulk left before it: the last
 *  position comes first, as a step overwrites its own. What rounding does to one row is then nothing to the next.
 *
 *  Where the lists are the same, so are the losses, but for rounding: products add in other orders,
 *  and a row's own key and value may come to the next half. Where a map's value is within rounding of zero, or two tokens
 *  weigh the same within it, lists may differ in a token: one row in
 *  thousands, hence in at most `mostOtherwise` rows.
 *  @param network attends as the rows did; lists are compared in `layer`, the last of the sparse ones
 *  @param text of which `read` tokens were read, and all others but the last scored */
export async function expectDecoded(
  gpu: Gpu,
  network: Network,
  rows: readonly LastLayer[],
  losses: Float32Array,
  text: readonly number[],
  {
    read,
    layer,
    mostOtherwise,
  }: { readonly read: number; readonly layer: number; readonly mostOtherwise: number },
): Promise<void> {
  const otherwise: string[] = [];
  network.truncate(read);
  network.cache.append(text.slice(read, -2));
  for (let row = rows.length - 1; row >= 0; row--) {
    const position = read + row;
    network.truncate(position);
    for await (const { logits } of scoreSteps(network, [text[position]!])) {
      const { lists } = await readLayerLists(gpu, network, layer, position + 1);
      const loss = negativeLogLikelihood(logits, text[position + 1]!);
      const what = `row ${row}: loss ${losses[row]} in bulk, ${loss} by a step; lists ${JSON.stringify(rows[row]!.lists)} and ${JSON.stringify(lists)}`;
      if (JSON.stringify(lists) !== JSON.stringify(rows[row]!.lists)) otherwise.push(what);
      else expect(Math.abs(losses[row]! - loss), what).toBeLessThan(lossBound);
    }
  }
  expect(otherwise.length, otherwise.join('\n')).toBeLessThanOrEqual(mostOtherwise);
}
