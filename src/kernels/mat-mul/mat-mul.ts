/** Matrix times many vectors, for prefill: out[t] = W · x[t] (+ bias) (+ what out held); see mat-mul.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, type Kernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch, Grid } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { type Matrix, type MatrixFormat, rowBytes, rowScaleBytes, rowStride } from '../runtime/matrix.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import scalePair from '../shared/scale-pair.wgsl?raw';
import decodeQ4 from './decode-q4.wgsl?raw';
import decodeQ8 from './decode-q8.wgsl?raw';
import common from './mat-mul.wgsl?raw';
import tile from './mat-mul-tile.wgsl?raw';
import tile64 from './mat-mul-tile-64.wgsl?raw';
import tile128 from './mat-mul-tile-128.wgsl?raw';

export interface MatMulArgs {
  readonly label: string;
  readonly matrix: Matrix;
  /** f32 [rows, xStride]. */
  readonly x: BufferSlice;
  /** Floats between rows of x, a multiple of 4; the matrix's columns unless told. */
  readonly xStride?: number;
  /** First row of x to use; 0 unless told. */
  readonly xOffset?: number;
  /** f32 [tokens, outStride]; not `x`. */
  readonly out: BufferSlice;
  /** Floats between rows of out; the matrix's rows unless told. */
  readonly outStride?: number;
  /** Column of out that takes the matrix's first row; 0 unless told. */
  readonly outOffset?: number;
  readonly tokens: number;
  /** f32 [biasOffset + matrix rows or more]. */
  readonly bias?: BufferSlice;
  /** Index in bias of the matrix's first row; 0 unless told. */
  readonly biasOffset?: number;
  /** Add to what out holds instead of replacing it. */
  readonly accumulate?: boolean;
}

/** One dispatch per part of the matrix. */
export type MatMul = (arena: Arena, args: MatMulArgs) => Dispatch[];
/** 'serial' needs the subgroups feature. */
export type MatMulVariant = 'workgroup' | 'serial';

const bindings = { weights: 'read', scales: 'read', x: 'read', bias: 'read', out: 'write' } as const;
const uniforms = {
  tokens: 'u32',
  rows: 'u32',
  columns: 'u32',
  quads: 'u32',
  xRow: 'u32',
  xQuads: 'u32',
  outStride: 'u32',
  outColumn: 'u32',
  firstRow: 'u32',
  hasBias: 'u32',
  accumulate: 'u32',
} as const;

const decoders = {
  q4: [scalePair, decodeQ4],
  q8: [scalePair, decodeQ8],
  f16: [() => import('./decode-f16.wgsl?raw')],
  bf16: [() => import('./decode-bf16.wgsl?raw')],
  f32: [() => import('./decode-f32.wgsl?raw')],
};

/** A parallel scheme: its sources and the part of the result one workgroup makes. */
const schemes = {
  'tile-128': { sources: [tile, tile128], tokens: 128, rows: 128 },
  'tile-64': { sources: [tile, tile64], tokens: 64, rows: 64 },
  serial: {
    sources: [() => import('../shared/quad.wgsl?raw'), () => import('./mat-mul-serial.wgsl?raw')],
    tokens: 8,
    rows: 64,
  },
};
export type MatMulScheme = keyof typeof schemes;

function define(kind: MatrixFormat['kind'], scheme: MatMulScheme) {
  const isSerial = scheme === 'serial';
  return defineKernel({
    name: `mat-mul-${kind}-${scheme}`,
    sources: [
      ...(isSerial ? ['enable subgroups;'] : []),
      common,
      ...decoders[kind],
      ...schemes[scheme].sources,
    ],
    bindings,
    uniforms,
    constants: kind === 'q4' || kind === 'q8' ? ['groupShift', 'wideScales'] : [],
    features: isSerial ? ['subgroups'] : [],
  });
}

function defineSchemes(kind: MatrixFormat['kind']) {
  return {
    'tile-128': define(kind, 'tile-128'),
    'tile-64': define(kind, 'tile-64'),
    serial: define(kind, 'serial'),
  };
}

export const definitions = {
  q4: defineSchemes('q4'),
  q8: defineSchemes('q8'),
  f16: defineSchemes('f16'),
  bf16: defineSchemes('bf16'),
  f32: defineSchemes('f32'),
};

/** Prepares the product for matrices of one format.
 *  @param options.scheme forces one tile of the workgroup variant; chosen by the size of the result unless told. */
export async function prepareMatMul(
  gpu: Gpu,
  format: MatrixFormat,
  options: { readonly variant?: MatMulVariant; readonly scheme?: MatMulScheme } = {},
): Promise<MatMul> {
  const variant = options.variant ?? gpu.chooseVariant(['serial']);
  const constants = formatConstants(format);
  const prepare = (scheme: MatMulScheme) => prepareKernel(gpu, definitions[format.kind][scheme], constants);
  const forced = options.scheme ?? (variant === 'serial' ? 'serial' : undefined);
  if (forced) {
    const kernel = await prepare(forced);
    return (arena, args) => dispatches(arena, args, format, forced, kernel);
  }
  const [large, small] = await Promise.all([prepare('tile-128'), prepare('tile-64')]);
  return (arena, args) =>
    fillsLargeTiles(args.matrix.rows, args.tokens)
      ? dispatches(arena, args, format, 'tile-128', large)
      : dispatches(arena, args, format, 'tile-64', small);
}

/** Large tiles do a quarter more work per byte moved, but must be enough to occupy a large GPU. */
function fillsLargeTiles(rows: number, tokens: number): boolean {
  return Math.ceil(rows / 128) * Math.ceil(tokens / 128) >= 256;
}

function dispatches(
  arena: Arena,
  args: MatMulArgs,
  format: MatrixFormat,
  scheme: MatMulScheme,
  kernel: Kernel<typeof bindings, typeof uniforms>,
): Dispatch[] {
  const { label, matrix, x, out, tokens, bias } = args;
  const xStride = args.xStride ?? matrix.columns;
  const outStride = args.outStride ?? matrix.rows;
  invariant(
    nameOf(matrix.format) === nameOf(format),
    `${label}: matrix is ${nameOf(matrix.format)}, prepared for ${nameOf(format)}`,
  );
  invariant(xStride % 4 === 0, `${label}: the row stride of x must be a multiple of 4, got ${xStride}`);
  invariant(xStride >= matrix.columns, `${label}: rows of x hold ${xStride}, need ${matrix.columns}`);
  invariant(x.buffer !== out.buffer, `${label}: out must not be x`);
  const stride = rowStride(matrix.columns);
  const weightBytes = rowBytes(format, matrix.columns) + rowScaleBytes(format, matrix.columns);
  return matrix.parts.map((part) =>
    kernel.dispatch(arena, {
      label,
      bindings: {
        weights: part.weights,
        scales: part.scales ?? part.weights,
        x,
        bias: bias ?? part.weights,
        out,
      },
      uniforms: {
        tokens,
        rows: part.rows,
        columns: matrix.columns,
        quads: stride / 4,
        xRow: args.xOffset ?? 0,
        xQuads: xStride / 4,
        outStride,
        outColumn: (args.outOffset ?? 0) + part.firstRow,
        firstRow: (args.biasOffset ?? 0) + part.firstRow,
        hasBias: bias ? 1 : 0,
        accumulate: args.accumulate ? 1 : 0,
      },
      workgroups: gridFor(scheme, part.rows, tokens),
      bytes: part.rows * weightBytes + 4 * tokens * (matrix.columns + part.rows),
    }),
  );
}

function gridFor(scheme: MatMulScheme, rows: number, tokens: number): Grid {
  const { rows: tileRows, tokens: tileTokens } = schemes[scheme];
  return [Math.ceil(rows / tileRows), Math.ceil(tokens / tileTokens)];
}

function formatConstants(format: MatrixFormat): Record<string, number> {
  if (format.kind !== 'q4' && format.kind !== 'q8') return {};
  return { groupShift: Math.log2(format.groupSize / 32), wideScales: Number(format.scales === 'f32') };
}

function nameOf(format: MatrixFormat): string {
  if (format.kind !== 'q4' && format.kind !== 'q8') return format.kind;
  return `${format.kind} in groups of ${format.groupSize}, ${format.scales} scales`;
}
