/** Products of f32 matrices lying any way, a batch at a time: everything in training that is linear. See
 *  train-product.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice } from '../runtime/tensor.ts';

import common from './train-product.wgsl?raw';
import serial from './train-product-serial.wgsl?raw';
import tile from './train-product-tile.wgsl?raw';

/** One side of a product. Element (at, k) of batch b: data[offset + floor(b / share) · batch + at · step + k · depth]. */
export interface ProductOperand {
  readonly data: BufferSlice;
  /** Elements before the first matrix; 0 unless told. */
  readonly offset?: number;
  /** Elements between matrices; 0 unless told: every batch reads the same. */
  readonly batch?: number;
  /** Neighbouring batches that read one matrix; 1 unless told. */
  readonly share?: number;
  /** Elements between neighbouring rows of A, columns of B. */
  readonly step: number;
  /** Elements between neighbouring k. */
  readonly depth: number;
  /** Reads 1 at its last index (of A: k = depth − 1, of B: n = columns − 1), for which nothing is stored. */
  readonly hasOnes?: boolean;
}

export interface ProductArgs {
  readonly label: string;
  readonly batches: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly left: ProductOperand;
  readonly right: ProductOperand;
  /** f32; not a buffer of an operand. Element (m, n): data[offset + b · batch + split · splitStride + m · row + n]. */
  readonly out: {
    readonly data: BufferSlice;
    readonly offset?: number;
    readonly batch: number;
    readonly row: number;
    readonly splitStride?: number;
  };
  /** k summed into one output; the whole depth unless told. */
  readonly depthPerSplit?: number;
}

export type TrainProductVariant = 'workgroup' | 'serial';
export type TrainProduct = (arena: Arena, args: ProductArgs) => Dispatch;

const bindings = { left: 'read', right: 'read', out: 'write' } as const;
const uniforms = {
  rows: 'u32',
  columns: 'u32',
  depth: 'u32',
  depthPerSplit: 'u32',
  splits: 'u32',
  leftOffset: 'u32',
  leftBatch: 'u32',
  leftShare: 'u32',
  leftRow: 'u32',
  leftDepth: 'u32',
  leftOnes: 'u32',
  rightOffset: 'u32',
  rightBatch: 'u32',
  rightShare: 'u32',
  rightColumn: 'u32',
  rightDepth: 'u32',
  rightOnes: 'u32',
  outOffset: 'u32',
  outBatch: 'u32',
  outRow: 'u32',
  outSplit: 'u32',
} as const;

export const definitions = {
  workgroup: defineKernel({ name: 'train-product', sources: [common, tile], bindings, uniforms }),
  serial: defineKernel({ name: 'train-product-serial', sources: [common, serial], bindings, uniforms }),
};

/** An index no operand has. */
const none = 0xffffffff;

export async function prepareTrainProduct(gpu: Gpu, variant?: TrainProductVariant): Promise<TrainProduct> {
  const chosen = variant ?? gpu.chooseVariant(['serial']);
  const kernel = await prepareKernel(gpu, definitions[chosen]);
  const tileRows = chosen === 'serial' ? 4 : 64;
  return (arena, args) => {
    const { label, batches, rows, columns, depth, left, right, out } = args;
    const depthPerSplit = args.depthPerSplit ?? depth;
    const splits = Math.ceil(depth / depthPerSplit);
    expectOperand(`${label}: A`, left, batches, rows, depth - Number(left.hasOnes ?? false));
    expectOperand(`${label}: B`, right, batches, columns - Number(right.hasOnes ?? false), depth);
    const last = (batches - 1) * out.batch + (rows - 1) * out.row + columns;
    const offset = out.offset ?? 0;
    expectBytes(`${label}: out`, out.data, 4 * (offset + last + (splits - 1) * (out.splitStride ?? 0)));
    invariant(splits === 1 || out.splitStride, `${label}: ${splits} splits need an output each`);
    return kernel.dispatch(arena, {
      label,
      bindings: { left: left.data, right: right.data, out: out.data },
      uniforms: {
        rows,
        columns,
        depth,
        depthPerSplit,
        splits,
        leftOffset: left.offset ?? 0,
        leftBatch: left.batch ?? 0,
        leftShare: left.share ?? 1,
        leftRow: left.step,
        leftDepth: left.depth,
        leftOnes: left.hasOnes ? depth - 1 : none,
        rightOffset: right.offset ?? 0,
        rightBatch: right.batch ?? 0,
        rightShare: right.share ?? 1,
        rightColumn: right.step,
        rightDepth: right.depth,
        rightOnes: right.hasOnes ? columns - 1 : none,
        outOffset: offset,
        outBatch: out.batch,
        outRow: out.row,
        outSplit: out.splitStride ?? 0,
      },
      workgroups: [Math.ceil(columns / 64), Math.ceil(rows / tileRows), batches * splits],
      bytes: 4 * batches * (rows * depth + columns * depth + rows * columns),
    });
  };
}

function expectOperand(what: string, operand: ProductOperand, batches: number, count: number, depth: number) {
  const { data, offset = 0, batch = 0, share = 1, step, depth: stride } = operand;
  const matrices = Math.ceil(batches / share);
  const end = offset + (matrices - 1) * batch + (count - 1) * step + (depth - 1) * stride + 1;
  expectBytes(what, data, 4 * end);
}
