/** Matrix times vector for one token, with the norm before it and the residual or the gate after it folded in.
 *
 *  out = finish(W · n(x) + bias); see mat-vec.wgsl for the formula and the parallel scheme. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { defineKernel, type KernelDefinition, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { type Matrix, type MatrixFormat, rowBytes, rowScaleBytes, rowStride } from '../runtime/matrix.ts';
import type { Tensor } from '../runtime/tensor.ts';
import inputs from '../shared/inputs.wgsl?raw';
import weightsBf16 from '../shared/weights-bf16.wgsl?raw';
import weightsF16 from '../shared/weights-f16.wgsl?raw';
import weightsF32 from '../shared/weights-f32.wgsl?raw';
import weightsQ4 from '../shared/weights-q4.wgsl?raw';
import weightsQ8 from '../shared/weights-q8.wgsl?raw';
import shared from './mat-vec.wgsl?raw';
import integer from './mat-vec-integer.wgsl?raw';
import serial from './mat-vec-serial.wgsl?raw';
import staged from './mat-vec-staged.wgsl?raw';
import subgroup from './mat-vec-subgroup.wgsl?raw';
import workgroup from './mat-vec-workgroup.wgsl?raw';

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
}

export interface MatVecArgs {
  readonly label: string;
  readonly matrix: Matrix;
  /** f32 [columns], allocated and zero up to the matrix's row stride. */
  readonly x: Tensor;
  /** RMS norm applied to x first: gain f32 [columns], allocated and zero up to the row stride. */
  readonly norm?: { readonly gain: Tensor; readonly eps: number };
  /** f32 [rows]. */
  readonly bias?: Tensor;
  /** f32 [rows], or [rows / 2] when gated; must not be `x`. */
  readonly out: Tensor;
  /** Index in `out` of the matrix's first row; 0 unless told. */
  readonly outOffset?: number;
}

export type MatVec = (arena: Arena, args: MatVecArgs) => Dispatch[];

const bindings = {
  weights: 'read',
  scales: 'read',
  x: 'read',
  gain: 'read',
  bias: 'read',
  out: 'write',
} as const;
const uniforms = {
  rows: 'u32',
  blocks: 'u32',
  columns: 'u32',
  firstOut: 'u32',
  upBias: 'u32',
  eps: 'f32',
} as const;
const formatSources = { q4: weightsQ4, q8: weightsQ8, f16: weightsF16, bf16: weightsBf16, f32: weightsF32 };
const variantSources = {
  workgroup: [staged, workgroup],
  subgroup: [staged, subgroup],
  serial: [serial],
  integer: [integer],
};
const structure = ['lanes', 'rowsPerTeam', 'hasNorm', 'hasBias', 'finishKind'];

/** 'integer': q4 weights against inputs rounded to 16 bits, for devices with subgroups and packed integer products. */
export type MatVecVariant = KernelVariant | 'integer';

type MatVecDefinition = KernelDefinition<typeof bindings, typeof uniforms>;

function define(kind: MatrixFormat['kind'], variant: MatVecVariant): MatVecDefinition {
  const hasSubgroups = variant === 'subgroup' || variant === 'integer';
  const enable = hasSubgroups ? ['enable subgroups;'] : [];
  return defineKernel({
    name: `mat-vec-${kind}-${variant}`,
    sources: [...enable, inputs, formatSources[kind], shared, ...variantSources[variant]],
    bindings,
    uniforms,
    constants: [
      ...structure,
      ...(kind === 'q4' || kind === 'q8' ? ['groupShift', 'wideScales'] : []),
      ...(hasSubgroups ? ['together'] : []),
      ...(variant === 'integer' ? ['teams'] : []),
    ],
    features: hasSubgroups ? ['subgroups'] : [],
  });
}

const kinds = ['q4', 'q8', 'f16', 'bf16', 'f32'] as const;
export const definitions = new Map([
  ...kinds.flatMap((kind) =>
    (['workgroup', 'subgroup', 'serial'] as const).map(
      (variant) => [`${kind} ${variant}`, define(kind, variant)] as const,
    ),
  ),
  ['q4 integer', define('q4', 'integer')],
]);

export interface MatVecOptions {
  readonly variant?: MatVecVariant;
  /** 1, 2 or 4 rows that share each input load; chosen from the matrix unless told. 'integer' always takes 4. */
  readonly rowsPerTeam?: number;
  /** Invocations that share a row; likewise. 16, 32 or 64; 'integer': a multiple of 32, at most 224. */
  readonly lanes?: number;
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
  const { lanes, teams } = layOut(shape, variant, options.lanes);
  const definition = definitions.get(`${shape.format.kind} ${variant}`);
  invariant(definition, `mat-vec has no variant ${shape.format.kind} ${variant}`);
  const hasSubgroups = variant === 'subgroup' || variant === 'integer';
  const kernel = await prepareKernel(gpu, definition, {
    lanes,
    rowsPerTeam,
    hasNorm: Number(shape.hasNorm),
    hasBias: Number(shape.hasBias),
    finishKind: { store: 0, add: 1, gated: 2 }[shape.finish],
    ...formatConstants(shape.format),
    // a power of two that divides every variant's lanes
    ...(hasSubgroups ? { together: Math.min(lanes, 32, smallestSubgroup(gpu)) } : {}),
    ...(variant === 'integer' ? { teams } : {}),
  });
  return (arena, args) => {
    check(shape, args);
    const { matrix } = args;
    const stride = rowStride(matrix.columns);
    const perOutput = shape.finish === 'gated' ? 2 : 1;
    return matrix.parts.map((part) => {
      const firstOut = (args.outOffset ?? 0) + part.firstRow / perOutput;
      const bytes =
        part.rows * (rowBytes(matrix.format, matrix.columns) + rowScaleBytes(matrix.format, matrix.columns)) +
        stride * 4;
      return kernel.dispatch(arena, {
        label: args.label,
        bindings: {
          weights: part.weights,
          scales: part.scales ?? part.weights,
          x: args.x,
          gain: args.norm?.gain ?? args.x,
          bias: args.bias ?? args.x,
          out: args.out,
        },
        uniforms: {
          rows: part.rows,
          blocks: stride / 32,
          columns: matrix.columns,
          firstOut,
          upBias: firstOut + matrix.rows / 2,
          eps: args.norm?.eps ?? 0,
        },
        workgroups: gridOf(Math.ceil(part.rows / rowsPerTeam / teams)),
        bytes,
      });
    });
  };
}

/** Packed integers pay where rows are long; short ones are over before their inputs are packed. Measured on an H200. */
function chooseVariant(gpu: Gpu, { format, columns }: MatVecShape): MatVecVariant {
  const variant = gpu.chooseVariant(['workgroup', 'subgroup', 'serial']);
  const isInteger = variant === 'subgroup' && gpu.traits.hasIntegerDot && format.kind === 'q4';
  return isInteger && columns >= 2048 ? 'integer' : variant;
}

interface Layout {
  /** Invocations that share a row. */
  readonly lanes: number;
  /** Teams of rows in a workgroup. */
  readonly teams: number;
}

function layOut(shape: MatVecShape, variant: MatVecVariant, wantedLanes: number | undefined): Layout {
  switch (variant) {
    case 'serial':
      return { lanes: 1, teams: 16 };
    case 'integer':
      return { lanes: wantedLanes ?? integerLanesFor(shape), teams: 3 };
    case 'workgroup':
    case 'subgroup': {
      const lanes = wantedLanes ?? lanesFor(shape);
      return { lanes, teams: 256 / lanes };
    }
    default:
      return variant satisfies never;
  }
}

/** As few tiles as workgroup memory allows, of equal size: 3 teams × 224 lanes × 16 bytes of 16 KiB. */
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
  invariant(matrix.format.kind === shape.format.kind, `${label}: format given and prepared differ`);
  invariant(shape.hasNorm === (args.norm !== undefined), `${label}: norm given and prepared differ`);
  invariant(shape.hasBias === (args.bias !== undefined), `${label}: bias given and prepared differ`);
  invariant(args.x.buffer !== args.out.buffer, `${label}: out must not be x`);
  for (const [name, tensor] of [
    ['x', args.x],
    ['gain', args.norm?.gain],
  ] as const) {
    invariant(
      !tensor || (tensor.size ?? tensor.buffer.size) >= rowStride(matrix.columns) * 4,
      `${label}: ${name} must be allocated up to the row stride ${rowStride(matrix.columns)}`,
    );
  }
}
