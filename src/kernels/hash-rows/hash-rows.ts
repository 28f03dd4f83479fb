/** Query planes of many rows at once, for evaluating text in bulk; see hash-rows.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import queryLevels from '../shared/query-levels.wgsl?raw';
import { checkSignatureMap, packWidths, type SignatureMap } from '../shared/signature-map.ts';
import mapSource from '../shared/signature-map.wgsl?raw';
import mapSerialSource from '../shared/signature-map-serial.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import source from './hash-rows.wgsl?raw';

export interface HashRowsArgs {
  readonly label: string;
  /** Uniform `Step`: step.rows rows are hashed. */
  readonly step: BufferSlice;
  /** f32 [rows, qHeads, headDim], rotated. */
  readonly query: BufferSlice;
  /** Heads: qHeads. */
  readonly queryMap: SignatureMap;
  /** u32 [rows, lists, planes, words]. Planes: the bits of the quantised sum over the list's heads, or the signs of
   *  each of its heads. */
  readonly planes: BufferSlice;
  readonly score: { readonly kind: 'asymmetric'; readonly queryBits: number } | { readonly kind: 'hamming' };
  /** qHeads, or one for each group of them. */
  readonly lists: number;
  /** Most rows that step.rows will say. */
  readonly rows: number;
  readonly headDim: number;
}

export type HashRows = (arena: Arena, args: HashRowsArgs) => Dispatch;

export const hashRowsKernel = defineKernel({
  name: 'hash-rows',
  sources: [stepSource, queryLevels, mapSource, mapSerialSource, source],
  bindings: {
    step: 'uniform',
    widths: 'uniform',
    query: 'read',
    queryWeights: 'read',
    queryBiases: 'read',
    planes: 'write',
  },
  uniforms: {
    lists: 'u32',
    summed: 'u32',
    queryBits: 'u32',
    listHeads: 'u32',
    qHeads: 'u32',
    headDim: 'u32',
    bits: 'u32',
  },
});

export async function prepareHashRows(gpu: Gpu): Promise<HashRows> {
  const kernel = await prepareKernel(gpu, hashRowsKernel);
  return (arena, { label, step, query, queryMap, planes, score, lists, rows, headDim }) => {
    checkSignatureMap(`${label}: query map`, queryMap, headDim);
    const { heads: qHeads, widths } = queryMap;
    invariant(qHeads % lists === 0, `${label}: ${lists} lists do not divide ${qHeads} query heads`);
    const bits = widths.at(-1)!;
    const listHeads = qHeads / lists;
    const queryBits = score.kind === 'asymmetric' ? score.queryBits : 0;
    const planeCount = score.kind === 'asymmetric' ? queryBits : listHeads;
    invariant(planeCount >= 1 && queryBits <= 4, `${label}: queryBits must be 1 to 4, got ${queryBits}`);
    const planeBytes = (rows * lists * planeCount * bits) / 8;
    expectBytes(`${label}: query`, query, rows * qHeads * headDim * 4);
    expectBytes(`${label}: planes`, planes, planeBytes);
    return kernel.dispatch(arena, {
      label,
      bindings: {
        step,
        widths: { buffer: arena.uniform(`${label}.widths`, packWidths(widths, [])) },
        query,
        queryWeights: queryMap.weights,
        queryBiases: queryMap.biases,
        planes,
      },
      uniforms: {
        lists,
        summed: score.kind === 'asymmetric' ? listHeads : 1,
        queryBits,
        listHeads,
        qHeads,
        headDim,
        bits,
      },
      workgroups: [rows, lists],
      bytes: rows * qHeads * headDim * 4 + planeBytes,
    });
  };
}
