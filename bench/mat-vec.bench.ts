/** Matrix-vector products over many different matrices, so that nothing sits in a cache. */
import { type Finish, prepareMatVec, roundsInputs } from '../src/kernels/mat-vec/mat-vec.ts';
import { packInputsReference } from '../src/kernels/mat-vec/packed-inputs.ref.ts';
import { packedInputBytes } from '../src/kernels/mat-vec/packed-inputs.ts';
import { Arena } from '../src/kernels/runtime/arena.ts';
import type { Gpu, KernelVariant } from '../src/kernels/runtime/gpu.ts';
import { type Matrix, type MatrixFormat, rowBytes, rowScaleBytes } from '../src/kernels/runtime/matrix.ts';
import { prepareFill } from './ceiling.ts';
import { timeBySlope } from './timing.ts';

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
  /** As in the network, where products round their inputs: who packs what. */
  readonly hasPackedInputs?: boolean;
  readonly packsOutputs?: 'plain' | 'scaled';
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

export async function benchMatVec(gpu: Gpu, spec: MatVecCase): Promise<{ ms: number; bytes: number }> {
  const arena = new Arena(gpu);
  const fill = await prepareFill(gpu);
  const rounds = roundsInputs(gpu, spec);
  const hasPackedInputs = rounds && spec.hasPackedInputs === true;
  const packsOutputs = rounds ? spec.packsOutputs : undefined;
  const product = await prepareMatVec(
    gpu,
    {
      format: spec.format,
      finish: spec.finish,
      hasNorm: spec.norm,
      hasBias: false,
      rows: spec.rows,
      columns: spec.columns,
      hasPackedInputs,
      ...(packsOutputs ? { packsOutputs } : {}),
    },
    {
      ...(spec.variant ? { variant: spec.variant } : {}),
      ...(spec.rowsPerTeam ? { rowsPerTeam: spec.rowsPerTeam } : {}),
      ...(spec.lanes ? { lanes: spec.lanes } : {}),
    },
  );
  const halves = new Float32Array(spec.columns).fill(0.5);
  const ones = new Float32Array(spec.columns).fill(1);
  const gain = arena.tensorFrom('gain', 'f32', [spec.columns], ones);
  const planes = packInputsReference(halves, ones);
  const x = hasPackedInputs
    ? arena.tensorFrom('x', 'u32', [planes.length], planes)
    : arena.tensorFrom('x', 'f32', [spec.columns], halves);
  const out = arena.tensor('out', 'f32', [spec.rows]);
  const nextGain = arena.tensorFrom('next gain', 'f32', [spec.rows], new Float32Array(spec.rows).fill(1));
  const packedOut = { buffer: arena.buffer('packed out', packedInputBytes(Math.ceil(spec.rows / 32) * 32)) };
  const packed = packsOutputs && {
    packed: { out: packedOut, gain: packsOutputs === 'scaled' ? nextGain : null },
  };
  const dispatches = Array.from({ length: spec.matrices }, (_, index) =>
    product(arena, {
      label: `matrix ${index}`,
      matrix: makeMatrix(arena, fill, `matrix ${index}`, spec, index + 1),
      x,
      ...(spec.norm ? { norm: { gain, eps: 1e-5 } } : {}),
      ...packed,
      out: spec.isIndependent ? arena.tensor(`out ${index}`, 'f32', [spec.rows]) : out,
    }),
  ).flat();
  const ms = await timeBySlope(gpu, dispatches);
  arena.dispose();
  return { ms: ms / spec.matrices, bytes: dispatches[0]!.bytes };
}
