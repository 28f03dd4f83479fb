/** Products by floats: every format, every device. */
import { invariant } from '../../errors.ts';
import { prepareKernel } from '../runtime/define-kernel.ts';
import { gridOf } from '../runtime/dispatch.ts';
import type { Gpu, KernelVariant } from '../runtime/gpu.ts';
import { rowStride } from '../runtime/matrix.ts';
import { floatDefinitions } from './definitions.ts';
import type { MatVec, MatVecOptions, MatVecShape } from './mat-vec.ts';
import { noReaders, partBytes, partUniforms } from './part-uniforms.ts';
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
  const lanes = variant === 'serial' ? 1 : (options.lanes ?? lanesFor(shape));
  const teams = variant === 'serial' ? 16 : 256 / lanes;
  const definition = floatDefinitions.get(`${format.kind} ${variant}`);
  invariant(definition, `mat-vec has no variant ${format.kind} ${variant}`);
  const kernel = await prepareKernel(gpu, definition, {
    lanes,
    rowsPerTeam,
    hasNorm: Number(shape.hasNorm),
    ...formatConstants(format),
    // a power of two that divides the lanes
    ...(variant === 'subgroup' ? { together: Math.min(lanes, smallestSubgroup(gpu)) } : {}),
  });
  return (arena, args) => {
    const { label, matrix, x, norm, bias, out } = args;
    invariant(!out.packed, `${label}: mat-vec ${variant} leaves no packed vectors`);
    return matrix.parts.map((part) =>
      kernel.dispatch(arena, {
        label,
        bindings: {
          weights: part.weights,
          scales: part.scales ?? part.weights,
          x,
          bias: bias ?? x,
          out,
          gain: norm?.gain ?? x,
        },
        uniforms: { ...partUniforms(finish, args, part), pairs: 0, packs: 0, ...noReaders },
        workgroups: gridOf(Math.ceil(part.rows / rowsPerTeam / teams)),
        bytes: partBytes(matrix, part),
      }),
    );
  };
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
  if (variant === 'serial' || shape.rows >= 16384 || shape.columns >= 8192) return 4;
  return Math.max(least, shape.rows >= 2048 ? 2 : 1);
}
