/** Products by floats: every format, every device. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { type DispatchArgs, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { rowStride } from '../runtime/matrix.ts';
import { type floatBindings, floatHeads, floatRows, type uniforms } from './definitions.ts';
import type { Finish, MatVec, MatVecArgs, MatVecOptions, MatVecShape } from './mat-vec.ts';
import { headUniforms, noHeads, noPairs, noReaders, partBytes, partUniforms } from './part-uniforms.ts';
import { formatConstants, smallestSubgroup } from './product-constants.ts';

export async function prepareFloatProduct(
  gpu: Gpu,
  shape: MatVecShape,
  variant: KernelVariant,
  options: MatVecOptions,
): Promise<MatVec> {
  const { format, finish } = shape;
  const rowsPerTeam = options.rowsPerTeam ?? chooseRowsPerTeam(shape, variant);
  invariant(finish !== 'gated' || rowsPerTeam % 2 === 0, 'gated mat-vec needs an even rowsPerTeam');
  invariant(finish !== 'heads' || rowsPerTeam === 4, 'mat-vec makes heads of four rows per team');
  const lanes = variant === 'serial' ? 1 : (options.lanes ?? lanesFor(shape));
  const rowsPerGroup = rowsPerTeam * (variant === 'serial' ? 16 : 256 / lanes);
  const dispatchPart = await preparePart(gpu, finish, `${format.kind} ${variant}`, {
    lanes,
    rowsPerTeam,
    hasNorm: Number(shape.hasNorm),
    ...formatConstants(format),
    // a power of two that divides the lanes
    ...(variant === 'subgroup' ? { together: Math.min(lanes, smallestSubgroup(gpu)) } : {}),
  });
  return (arena, args) => {
    const { label, matrix, x, out, norm, heads } = args;
    invariant(!out.packed, `${label}: mat-vec ${variant} leaves no packed vectors`);
    return matrix.parts.map((part) => {
      const uniforms = partUniforms(finish, args, part);
      return dispatchPart(arena, args, {
        label,
        bindings: {
          weights: part.weights,
          scales: part.scales ?? part.weights,
          x,
          out,
          gain: norm?.gain ?? x,
        },
        uniforms: {
          ...uniforms,
          ...(heads ? headUniforms(heads, uniforms.firstOut) : noHeads),
          ...noPairs,
          ...noReaders,
          packs: 0,
        },
        workgroups: gridOf(Math.ceil(part.rows / rowsPerGroup)),
        bytes: partBytes(matrix, part),
      });
    });
  };
}

/** What the dispatches of both ends are told. */
type PartArgs = DispatchArgs<typeof floatBindings, typeof uniforms>;

/** Compiles a kernel for one end, and binds what only that end takes. */
async function preparePart(
  gpu: Gpu,
  finish: Finish,
  key: string,
  constants: Readonly<Record<string, number>>,
): Promise<(arena: Arena, args: MatVecArgs, part: PartArgs) => Dispatch> {
  if (finish === 'heads') {
    const definition = floatHeads.get(key);
    invariant(definition, `mat-vec has no variant ${key}`);
    const kernel = await prepareKernel(gpu, definition, constants);
    return (arena, { label, bias, heads }, part) => {
      invariant(heads && !bias, `${label}: heads by floats take no bias`);
      return kernel.dispatch(arena, { ...part, bindings: { ...part.bindings, ...heads } });
    };
  }
  const definition = floatRows.get(key);
  invariant(definition, `mat-vec has no variant ${key}`);
  const kernel = await prepareKernel(gpu, definition, constants);
  return (arena, { x, bias }, part) =>
    kernel.dispatch(arena, { ...part, bindings: { ...part.bindings, bias: bias ?? x } });
}

/** Measured on an H200: long rows want more lanes, unless there are rows enough to fill the device. */
function lanesFor({ rows, columns }: MatVecShape): number {
  const blocks = rowStride(columns) / 32;
  if (blocks <= 16) return 16;
  return blocks <= 32 || (blocks <= 128 && rows >= 6144) ? 32 : 64;
}

/** Likewise: enough teams to fill the device come first, then inputs shared by more rows. */
function chooseRowsPerTeam(shape: MatVecShape, variant: KernelVariant): number {
  const least = shape.finish === 'gated' ? 2 : 1;
  if (variant === 'serial' || shape.finish === 'heads' || shape.rows >= 16384 || shape.columns >= 8192)
    return 4;
  return Math.max(least, shape.rows >= 2048 ? 2 : 1);
}
