/** Matrix times vector for one token, with the norm before it and the residual or the gate after it folded in.
 *
 *  out = finish(W · n(x) + bias); see mat-vec.wgsl for the formula and the parallel scheme. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { type Matrix, type MatrixFormat, rowBytes, rowScaleBytes, rowStride } from '../runtime/matrix.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import { definitions, integerName, type MatVecDefinition, type MatVecVariant } from './definitions.ts';
import { packedInputBytes } from './packed-inputs.ts';

/** store: out = y. add: out += y. gated: W holds gate rows, then as many up rows; out = silu(gate) · up. */
export type Finish = 'store' | 'add' | 'gated';

export interface MatVecShape {
  readonly format: MatrixFormat;
  readonly finish: Finish;
  readonly hasNorm: boolean;
  readonly hasBias: boolean;
  /** Of the matrix: they decide how many lanes make a team, and how many rows it takes. */
  readonly rows: number;
  readonly columns: number;
  /** x is packed already, by whoever made it (packed-inputs.ts). For matrices that `roundsInputs` says it of. */
  readonly hasPackedInputs?: boolean;
  /** Outputs are also left packed for the next product, as they are or times a gain. Likewise. */
  readonly packsOutputs?: 'plain' | 'scaled';
}

export interface MatVecArgs {
  readonly label: string;
  readonly matrix: Matrix;
  /** f32 [columns], allocated and zero up to the matrix's row stride; or packed, times the norm's gain where there is one. */
  readonly x: BufferSlice;
  /** RMS norm applied to x first: gain f32 [columns], allocated and zero up to the row stride; in packed x it is already. */
  readonly norm?: { readonly gain: Tensor; readonly eps: number };
  /** f32 [rows]. */
  readonly bias?: Tensor;
  /** f32 [rows], or [rows / 2] when gated; must not be `x`. */
  readonly out: Tensor;
  /** Index in `out` of the matrix's first row; 0 unless told. */
  readonly outOffset?: number;
  /** Where outputs times gain, f32 [columns of the next product], are left as integers; null: no gain. */
  readonly packed?: { readonly out: BufferSlice; readonly gain: BufferSlice | null };
}

export type MatVec = (arena: Arena, args: MatVecArgs) => Dispatch[];

export type { MatVecVariant } from './definitions.ts';

export interface MatVecOptions {
  readonly variant?: MatVecVariant;
  /** 1, 2 or 4 rows that share each input load; chosen from the matrix unless told. 'integer' always takes 4. */
  readonly rowsPerTeam?: number;
  /** Invocations that share a row; likewise. 16, 32 or 64; 'integer': a multiple of 32, at most 224. */
  readonly lanes?: number;
  /** Groups of four rows that a workgroup of 'integer' takes; likewise. */
  readonly teams?: number;
}

/** Prepares the product for matrices of one shape class. */
export async function prepareMatVec(
  gpu: Gpu,
  shape: MatVecShape,
  options: MatVecOptions = {},
): Promise<MatVec> {
  const variant = options.variant ?? chooseVariant(gpu, shape);
  const rowsPerTeam = variant === 'integer' ? 4 : (options.rowsPerTeam ?? chooseRowsPerTeam(shape, variant));
  invariant(shape.finish !== 'gated' || rowsPerTeam % 2 === 0, 'gated mat-vec needs an even rowsPerTeam');
  const { lanes, teams } = layOut(shape, variant, options);
  const hasSubgroups = variant === 'subgroup' || variant === 'integer';
  const kernel = await prepareKernel(gpu, definitionOf(shape, variant), {
    lanes,
    rowsPerTeam,
    hasNorm: Number(shape.hasNorm),
    hasBias: Number(shape.hasBias),
    finishKind: { store: 0, add: 1, gated: 2 }[shape.finish],
    ...formatConstants(shape.format),
    // a power of two that divides every variant's lanes
    ...(hasSubgroups ? { together: Math.min(lanes, 32, smallestSubgroup(gpu)) } : {}),
    ...(variant === 'integer' ? { teams } : {}),
    ...(shape.packsOutputs ? { scalesOutputs: Number(shape.packsOutputs === 'scaled') } : {}),
  });
  const perOutput = shape.finish === 'gated' ? 2 : 1;
  const outputsPerGroup = (rowsPerTeam * teams) / perOutput;
  invariant(!shape.packsOutputs || outputsPerGroup % 8 === 0, 'a workgroup that packs makes whole octets');
  return (arena, args) => {
    check(shape, args);
    const { matrix, norm, packed } = args;
    const stride = rowStride(matrix.columns);
    const outputs = matrix.rows / perOutput;
    return matrix.parts.map((part) => {
      const firstOut = (args.outOffset ?? 0) + part.firstRow / perOutput;
      invariant(!packed || firstOut % 8 === 0, `${args.label}: a part starts within an octet of outputs`);
      const bytes =
        part.rows * (rowBytes(matrix.format, matrix.columns) + rowScaleBytes(matrix.format, matrix.columns)) +
        stride * 4;
      return kernel.dispatch(arena, {
        label: args.label,
        bindings: {
          weights: part.weights,
          scales: part.scales ?? part.weights,
          x: args.x,
          gain: norm?.gain ?? args.x,
          bias: args.bias ?? args.x,
          out: args.out,
          ...(packed ? { nextGain: packed.gain ?? args.x, packedOut: packed.out } : {}),
        },
        uniforms: {
          rows: part.rows,
          blocks: stride / 32,
          columns: matrix.columns,
          firstOut,
          upBias: firstOut + matrix.rows / 2,
          eps: norm?.eps ?? 0,
          outBlocks: Math.ceil(outputs / 32),
        },
        workgroups: gridOf(Math.ceil(part.rows / rowsPerTeam / teams)),
        bytes,
      });
    });
  };
}

function definitionOf(shape: MatVecShape, variant: MatVecVariant): MatVecDefinition {
  const { format, hasPackedInputs = false, packsOutputs } = shape;
  const isPacked = hasPackedInputs || packsOutputs !== undefined;
  invariant(variant === 'integer' || !isPacked, `mat-vec ${variant} neither reads nor makes packed vectors`);
  const name = variant === 'integer' ? integerName(hasPackedInputs, packsOutputs !== undefined) : variant;
  const definition = definitions.get(`${format.kind} ${name}`);
  invariant(definition, `mat-vec has no variant ${format.kind} ${name}`);
  return definition;
}

/** Whether products with this matrix round their inputs to integers, and may be given them packed. */
export function roundsInputs(gpu: Gpu, matrix: Pick<MatVecShape, 'format' | 'columns'>): boolean {
  return chooseVariant(gpu, matrix) === 'integer';
}

function chooseVariant(
  gpu: Gpu,
  { format, columns }: Pick<MatVecShape, 'format' | 'columns'>,
): MatVecVariant {
  const { subgroups, integerProductsFrom } = gpu.traits;
  const isLong = columns >= (integerProductsFrom ?? Number.POSITIVE_INFINITY);
  if (subgroups && isLong && format.kind === 'q4') return 'integer';
  return gpu.chooseVariant(['workgroup', 'subgroup', 'serial']);
}

interface Layout {
  /** Invocations that share a row. */
  readonly lanes: number;
  /** Teams of rows in a workgroup. */
  readonly teams: number;
}

function layOut(shape: MatVecShape, variant: MatVecVariant, wanted: MatVecOptions): Layout {
  switch (variant) {
    case 'serial':
      return { lanes: 1, teams: 16 };
    case 'integer':
      return {
        lanes: wanted.lanes ?? integerLanesFor(shape),
        teams: wanted.teams ?? (shape.packsOutputs ? 4 : 3),
      };
    case 'workgroup':
    case 'subgroup': {
      const lanes = wanted.lanes ?? lanesFor(shape);
      return { lanes, teams: 256 / lanes };
    }
    default:
      return variant satisfies never;
  }
}

/** As few tiles as workgroup memory allows, of equal size: 4 teams × 224 lanes × 16 bytes of 16 KiB. */
function integerLanesFor({ columns }: MatVecShape): number {
  const blocks = rowStride(columns) / 32;
  const tiles = Math.ceil(blocks / 224);
  return Math.ceil(blocks / tiles / 32) * 32;
}

/** Measured on an H200: long rows want more lanes, unless there are rows enough to fill the device. */
function lanesFor({ rows, columns }: MatVecShape): number {
  const blocks = rowStride(columns) / 32;
  if (blocks <= 16) return 16;
  return blocks <= 32 || (blocks <= 128 && rows >= 6144) ? 32 : 64;
}

function smallestSubgroup(gpu: Gpu): number {
  invariant(gpu.traits.subgroups, 'these variants of mat-vec need the subgroups feature');
  return gpu.traits.subgroups.min;
}

/** Likewise: enough teams to fill the device come first, then inputs shared by more rows. */
function chooseRowsPerTeam(shape: MatVecShape, variant: MatVecVariant): number {
  const least = shape.finish === 'gated' ? 2 : 1;
  if (variant === 'serial' || shape.rows >= 16384 || shape.columns >= 8192) return 4;
  return Math.max(least, shape.rows >= 2048 ? 2 : 1);
}

function formatConstants(format: MatrixFormat): Record<string, number> {
  if (format.kind !== 'q4' && format.kind !== 'q8') return {};
  return { groupShift: Math.log2(format.groupSize / 32), wideScales: Number(format.scales === 'f32') };
}

function check(shape: MatVecShape, args: MatVecArgs): void {
  const { label, matrix } = args;
  const stride = rowStride(matrix.columns);
  const outputs = matrix.rows / (shape.finish === 'gated' ? 2 : 1);
  invariant(matrix.format.kind === shape.format.kind, `${label}: format given and prepared differ`);
  invariant(shape.hasNorm === (args.norm !== undefined), `${label}: norm given and prepared differ`);
  invariant(shape.hasBias === (args.bias !== undefined), `${label}: bias given and prepared differ`);
  const packs = args.packed && (args.packed.gain ? 'scaled' : 'plain');
  invariant(shape.packsOutputs === packs, `${label}: packed outputs wanted and prepared differ`);
  invariant(args.x.buffer !== args.out.buffer, `${label}: out must not be x`);
  expectBytes(`${label}: x`, args.x, shape.hasPackedInputs ? packedInputBytes(stride) : stride * 4);
  if (args.norm) expectBytes(`${label}: gain`, args.norm.gain, stride * 4);
  if (!args.packed) return;
  expectBytes(`${label}: packed outputs`, args.packed.out, packedInputBytes(outputs));
  if (args.packed.gain) expectBytes(`${label}: gain of the outputs`, args.packed.gain, outputs * 4);
}
