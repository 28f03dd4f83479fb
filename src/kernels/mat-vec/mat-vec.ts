/** Matrix times vector for one token, with the norm before it and the residual or the gate after it folded in.
 *
 *  out = finish(W · n(x) + bias); see mat-vec.wgsl for the formula and the parallel schemes. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { type Matrix, type MatrixFormat, rowStride } from '../runtime/matrix.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import type { Packable } from '../shared/packed-vector.ts';
import { prepareFloatProduct } from './float-product.ts';
import { rowsPerOutput } from './part-uniforms.ts';

/** store: out = y. add: out += y. gated: W holds gate rows, then as many up rows; out = silu(gate) · up.
 *  heads: W makes heads of query, key and value; see HeadOutputs. */
export type Finish = 'store' | 'add' | 'gated' | 'heads';

/** `out` takes the query heads, rotated by their position, [qHeads · headDim]; the caches take, as f16, rotated keys and values.
 *  The same as a product that stores and rope-append after it. */
export interface HeadOutputs {
  /** Uniform `Step`: of the token at step.position. */
  readonly step: BufferSlice;
  /** cos and sin, f32 [capacity or more, headDim / 2, 2]; any attention factor included. */
  readonly angles: BufferSlice;
  /** Packed f16 [kvHeads, capacity, headDim]. */
  readonly keyCache: BufferSlice;
  readonly valueCache: BufferSlice;
  /** Rows of all matrices whose outputs are heads are (qHeads + 2 · kvHeads) · headDim: query, key, value. */
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
}

export interface MatVecShape {
  readonly format: MatrixFormat;
  readonly finish: Finish;
  readonly hasNorm: boolean;
  /** Of the matrix: they decide how many lanes make a team, and how many rows it takes. */
  readonly rows: number;
  readonly columns: number;
}

export interface MatVecArgs {
  readonly label: string;
  readonly matrix: Matrix;
  /** f32 [columns], allocated and zero up to the matrix's row stride. Where products round their inputs (`roundsInputs`)
   *  they read it packed, times the norm's gain; one that is not packed takes a dispatch more. */
  readonly x: Packable;
  /** RMS norm applied to x first: gain f32 [columns], allocated and zero up to the row stride. */
  readonly norm?: { readonly gain: Tensor; readonly eps: number };
  /** f32 [rows]. */
  readonly bias?: Tensor;
  /** f32 [rows], or [rows / 2] when gated; must not be `x`. Left packed, too, where it can be and `roundsInputs`, but for heads. */
  readonly out: Packable;
  /** Of the norm through which a packed `out` is read: f32 [columns of the next product]. */
  readonly nextGain?: BufferSlice;
  /** Index in `out` of the matrix's first row; 0 unless told. */
  readonly outOffset?: number;
  /** Given exactly when prepared for `heads`. */
  readonly heads?: HeadOutputs;
  /** What products that round their inputs read ahead, beside their own work. */
  readonly ahead?: ReadAhead;
}

/** A cache of which a later dispatch reads rows here and there: read-ahead.wgsl. */
export interface ReadAhead {
  /** Packed f16 [heads, capacity, headDim]; all are finite. */
  readonly cache: Tensor;
  /** Uniform `Step`: rows up to step.position are of interest. */
  readonly step: BufferSlice;
}

export type MatVec = (arena: Arena, args: MatVecArgs) => Dispatch[];

/** 'integer': q4 weights against inputs rounded to 16 bits, for devices with subgroups and packed integer products. */
export type MatVecVariant = KernelVariant | 'integer';

export interface MatVecOptions {
  readonly variant?: MatVecVariant;
  /** false: floats whatever the device likes. */
  readonly mayRound?: boolean;
  /** 1, 2 or 4 rows that share each input load; chosen from the matrix unless told. 'integer' always takes 4. */
  readonly rowsPerTeam?: number;
  /** Invocations that share a row; likewise. 16, 32 or 64; 'integer': a multiple of 32, at most 256. */
  readonly lanes?: number;
  /** Times eight, rows that a workgroup of 'integer' takes, 1 to 4; likewise. */
  readonly pairs?: number;
}

/** Prepares the product for matrices of one shape class. */
export async function prepareMatVec(
  gpu: Gpu,
  shape: MatVecShape,
  options: MatVecOptions = {},
): Promise<MatVec> {
  const variant = options.variant ?? chooseVariant(gpu, shape, options.mayRound);
  const product =
    variant === 'integer'
      ? await (await import('./integer-product.ts')).prepareIntegerProduct(gpu, shape, options)
      : await prepareFloatProduct(gpu, shape, variant, options);
  return (arena, args) => {
    check(shape, args);
    return product(arena, args);
  };
}

/** Whether products with this matrix round their inputs to integers, so that they read and leave packed vectors. */
export function roundsInputs(gpu: Gpu, matrix: Pick<MatVecShape, 'format' | 'columns'>): boolean {
  return chooseVariant(gpu, matrix) === 'integer';
}

/** Whether products with this matrix can finish with heads: they take rows of both halves of a head together, and those by
 *  floats no bias, which would be a ninth storage buffer. */
export function canFinishHeads(
  { parts }: Pick<Matrix, 'parts'>,
  headDim: number,
  { rounds, biased }: { readonly rounds: boolean; readonly biased: boolean },
): boolean {
  return headDim % 8 === 0 && parts.every(({ firstRow }) => firstRow % headDim === 0) && (rounds || !biased);
}

function chooseVariant(
  gpu: Gpu,
  { format, columns }: Pick<MatVecShape, 'format' | 'columns'>,
  mayRound = true,
): MatVecVariant {
  const { subgroups, integerProductsFrom } = gpu.traits;
  const isLong = columns >= (integerProductsFrom ?? Number.POSITIVE_INFINITY);
  if (mayRound && subgroups && isLong && format.kind === 'q4') return 'integer';
  return gpu.chooseVariant(['workgroup', 'subgroup', 'serial']);
}

function check(shape: MatVecShape, { label, matrix, x, norm, out, heads, outOffset }: MatVecArgs): void {
  const stride = rowStride(matrix.columns);
  const outputs = heads ? heads.qHeads * heads.headDim : matrix.rows / rowsPerOutput(shape.finish);
  invariant(matrix.format.kind === shape.format.kind, `${label}: format given and prepared differ`);
  invariant(shape.hasNorm === (norm !== undefined), `${label}: norm given and prepared differ`);
  invariant(x.buffer !== out.buffer, `${label}: out must not be x`);
  expectBytes(`${label}: x`, x, stride * 4);
  expectBytes(`${label}: out`, out, outputs * 4);
  if (norm) expectBytes(`${label}: gain`, norm.gain, stride * 4);
  invariant(
    (shape.finish === 'heads') === (heads !== undefined),
    `${label}: heads given and prepared differ`,
  );
  if (heads) checkHeads(label, matrix, heads, outOffset ?? 0);
}

function checkHeads(label: string, matrix: Matrix, heads: HeadOutputs, firstRow: number): void {
  const { qHeads, kvHeads, headDim, capacity } = heads;
  const all = (qHeads + 2 * kvHeads) * headDim;
  invariant(
    headDim % 8 === 0 &&
      [firstRow, matrix.rows, ...matrix.parts.map((part) => part.firstRow)].every(
        (row) => row % headDim === 0,
      ),
    `${label}: whole heads of a multiple of 8 rows, got ${headDim}`,
  );
  invariant(
    firstRow + matrix.rows <= all,
    `${label}: rows ${firstRow} + ${matrix.rows} of ${all} of all heads`,
  );
  expectBytes(`${label}: angles`, heads.angles, capacity * headDim * 4);
  expectBytes(`${label}: keyCache`, heads.keyCache, kvHeads * capacity * headDim * 2);
  expectBytes(`${label}: valueCache`, heads.valueCache, kvHeads * capacity * headDim * 2);
}
