/** Matrix-vector products over many different matrices, so that nothing sits in a cache. */
import { type Finish, prepareMatVec, roundsInputs } from '../src/kernels/mat-vec/mat-vec.ts';
import { Arena } from '../src/kernels/runtime/arena.ts';
import type { Gpu, KernelVariant } from '../src/kernels/runtime/gpu.ts';
import { type Matrix, type MatrixFormat, rowBytes, rowScaleBytes } from '../src/kernels/runtime/matrix.ts';
import { packVectorReference } from '../src/kernels/shared/packed-vector.ref.ts';
import { packedBytes } from '../src/kernels/shared/packed-vector.ts';
import { prepareFill } from './ceiling.ts';
import { perPart, type Timing, timeBySlope } from './timing.ts';

export interface MatVecCase {
  readonly rows: number;
  readonly columns: number;
  readonly format: MatrixFormat;
  readonly finish: Finish;
  readonly norm: boolean;
  readonly matrices: number;
  readonly variant?: KernelVariant;
  readonly rowsPerTeam?: number;
  readonly lanes?: number;
  /** As in the network, where products round their inputs: outputs are left packed, as they are or times a gain. */
  readonly packs?: 'plain' | 'scaled';
  /** Every product writes a vector of its own, so that the device may overlap them; otherwise each waits for the last. */
  readonly isIndependent?: boolean;
}

/** A matrix of random words with small scales, made on the GPU. */
export function makeMatrix(
  arena: Arena,
  fill: (buffer: GPUBuffer, seed: number, constant?: number) => void,
  label: string,
  shape: { rows: number; columns: number; format: MatrixFormat },
  seed: number,
): Matrix {
  const { rows, columns, format } = shape;
  const weights = arena.buffer(`${label}.weights`, rows * rowBytes(format, columns));
  fill(weights, seed);
  const scaleBytes = rows * rowScaleBytes(format, columns);
  const part = { firstRow: 0, rows, weights: { buffer: weights } };
  if (scaleBytes === 0) return { label, rows, columns, format, parts: [part] };
  const scales = arena.buffer(`${label}.scales`, scaleBytes);
  // scale 2⁻⁹ and bias −8 · 2⁻⁹ (q4) or −128 · 2⁻⁹ (q8) as halves: weights centred on zero
  fill(scales, seed, 0x1800 | ((format.kind === 'q4' ? 0xa400 : 0xb400) << 16));
  return { label, rows, columns, format, parts: [{ ...part, scales: { buffer: scales } }] };
}

export async function benchMatVec(gpu: Gpu, spec: MatVecCase): Promise<{ timing: Timing; bytes: number }> {
  const arena = new Arena(gpu);
  const fill = await prepareFill(gpu);
  const rounds = roundsInputs(gpu, spec);
  const packs = rounds ? spec.packs : undefined;
  const { format, finish, rows, columns } = spec;
  const product = await prepareMatVec(
    gpu,
    { format, finish, hasNorm: spec.norm, rows, columns },
    {
      ...(spec.variant ? { variant: spec.variant } : {}),
      ...(spec.rowsPerTeam ? { rowsPerTeam: spec.rowsPerTeam } : {}),
      ...(spec.lanes ? { lanes: spec.lanes } : {}),
    },
  );
  const halves = new Float32Array(columns).fill(0.5);
  const ones = new Float32Array(columns).fill(1);
  const gain = arena.tensorFrom('gain', 'f32', [columns], ones);
  const planes = packVectorReference(halves, ones);
  const x = {
    ...arena.tensorFrom('x', 'f32', [columns], halves),
    ...(rounds ? { packed: arena.tensorFrom('packed x', 'u32', [planes.length], planes) } : {}),
  };
  const outputs = finish === 'gated' ? rows / 2 : rows;
  const nextGain = arena.tensorFrom('next gain', 'f32', [outputs], new Float32Array(outputs).fill(1));
  const outTensor = (label: string) => ({
    ...arena.tensor(label, 'f32', [outputs]),
    ...(packs ? { packed: { buffer: arena.buffer(`packed ${label}`, packedBytes(outputs)) } } : {}),
  });
  const out = outTensor('out');
  const dispatches = Array.from({ length: spec.matrices }, (_, index) =>
    product(arena, {
      label: `matrix ${index}`,
      matrix: makeMatrix(arena, fill, `matrix ${index}`, spec, index + 1),
      x,
      ...(spec.norm ? { norm: { gain, eps: 1e-5 } } : {}),
      ...(packs === 'scaled' ? { nextGain } : {}),
      out: spec.isIndependent ? outTensor(`out ${index}`) : out,
    }),
  ).flat();
  const timing = perPart(await timeBySlope(gpu, dispatches), spec.matrices);
  arena.dispose();
  return { timing, bytes: dispatches[0]!.bytes };
}
