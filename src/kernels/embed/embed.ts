/** Rows of the embedding matrix for a list of tokens, dequantised. See embed.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, type KernelSource, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { type Matrix, type MatrixFormat, rowBytes, rowScaleBytes, rowStride } from '../runtime/matrix.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import scalePair from '../shared/scale-pair.wgsl?raw';
import source from './embed.wgsl?raw';
import weightAtQ4 from './weight-at-q4.wgsl?raw';
import weightAtQ8 from './weight-at-q8.wgsl?raw';

export interface EmbedArgs {
  readonly label: string;
  /** [vocab, hidden] */
  readonly matrix: Matrix;
  /** u32 [rows]; an id beyond the vocabulary gives a row of zeros. */
  readonly tokens: BufferSlice;
  /** f32 [rows, hidden] */
  readonly out: BufferSlice;
  readonly rows: number;
}

/** One dispatch per part of the matrix. */
export type Embed = (arena: Arena, args: EmbedArgs) => Dispatch[];

function define(kind: MatrixFormat['kind'], weightAt: readonly KernelSource[], constants: readonly string[]) {
  return defineKernel({
    name: `embed-${kind}`,
    sources: [...weightAt, source],
    bindings: { weights: 'read', scales: 'read', tokens: 'read', out: 'write' },
    uniforms: {
      rows: 'u32',
      hidden: 'u32',
      rowStride: 'u32',
      groupsPerRow: 'u32',
      groupSize: 'u32',
      firstRow: 'u32',
      partRows: 'u32',
    },
    constants,
  });
}

export const definitions = {
  q4: define('q4', [scalePair, weightAtQ4], ['wideScales']),
  q8: define('q8', [scalePair, weightAtQ8], ['wideScales']),
  f16: define('f16', [() => import('./weight-at-f16.wgsl?raw')], []),
  bf16: define('bf16', [() => import('./weight-at-bf16.wgsl?raw')], []),
  f32: define('f32', [() => import('./weight-at-f32.wgsl?raw')], []),
};

export async function prepareEmbed(gpu: Gpu, format: MatrixFormat): Promise<Embed> {
  const isQuantised = format.kind === 'q4' || format.kind === 'q8';
  const kernel = await prepareKernel(
    gpu,
    definitions[format.kind],
    isQuantised ? { wideScales: Number(format.scales === 'f32') } : {},
  );
  return (arena, { label, matrix, tokens, out, rows }) => {
    invariant(
      matrix.format.kind === format.kind &&
        (!isQuantised || (matrix.format as typeof format).scales === format.scales),
      `${label}: ${matrix.label} is ${JSON.stringify(matrix.format)}, embed was prepared for ${JSON.stringify(format)}`,
    );
    const hidden = matrix.columns;
    const stride = rowStride(hidden);
    const groupSize = 'groupSize' in matrix.format ? matrix.format.groupSize : stride;
    const bytesPerRow =
      rowBytes(matrix.format, hidden) + rowScaleBytes(matrix.format, hidden) + 4 * hidden + 4;
    return matrix.parts.map((part) =>
      kernel.dispatch(arena, {
        label,
        bindings: { weights: part.weights, scales: part.scales ?? part.weights, tokens, out },
        uniforms: {
          rows,
          hidden,
          rowStride: stride,
          groupsPerRow: Math.ceil(stride / groupSize),
          groupSize,
          firstRow: part.firstRow,
          partRows: part.rows,
        },
        workgroups: [Math.ceil(hidden / 64), rows],
        bytes: part.firstRow === 0 ? rows * bytesPerRow : 0,
      }),
    );
  };
}
