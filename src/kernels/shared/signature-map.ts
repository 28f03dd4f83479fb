/** Signature maps in GPU memory: F(x) = stages of linear maps with SiLU between, one set per head. */
import { invariant } from '../../errors.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import { halfFromFloat } from './half.ts';

/** Most stages a map may have: 16 widths are passed to the kernels. */
export const maxMapStages = 15;
/** Widest input or output of a stage. */
export const maxMapWidth = 256;

/** One layer's query maps or key maps. */
export interface SignatureMap {
  readonly heads: number;
  /** Of the input, then of every stage's output; the last is 32 or 64, the bits. */
  readonly widths: readonly number[];
  /** f16 [heads, outputs, inputs] per stage, stage after stage; every row is filled with zeros to a multiple of
   *  8 halves (16 bytes), which most widths are. */
  readonly weights: BufferSlice;
  /** f32 [heads, outputs] per stage, stage after stage. */
  readonly biases: BufferSlice;
}

/** One stage's numbers on the CPU. */
export interface MapStageValues {
  readonly inputs: number;
  readonly outputs: number;
  /** [heads, outputs, inputs] */
  readonly weight: ArrayLike<number>;
  /** [heads, outputs] */
  readonly bias: ArrayLike<number>;
}

/** Halves a row takes in memory: `inputs` rounded up to 8. */
export function mapRowStride(inputs: number): number {
  return Math.ceil(inputs / 8) * 8;
}

/** Bytes of `SignatureMap.weights`. */
export function mapWeightBytes(heads: number, widths: readonly number[]): number {
  return stagesOf(widths).reduce(
    (sum, [inputs, outputs]) => sum + heads * outputs * mapRowStride(inputs) * 2,
    0,
  );
}

/** Bytes of `SignatureMap.biases`. */
export function mapBiasBytes(heads: number, widths: readonly number[]): number {
  return stagesOf(widths).reduce((sum, [, outputs]) => sum + heads * outputs * 4, 0);
}

/** The contents of both buffers; weights are rounded to the nearest half. */
export function packSignatureMap(
  heads: number,
  stages: readonly MapStageValues[],
): { readonly weights: Uint32Array<ArrayBuffer>; readonly biases: Float32Array<ArrayBuffer> } {
  const widths = [stages[0]?.inputs ?? 0, ...stages.map(({ outputs }) => outputs)];
  const halves = new Uint16Array(mapWeightBytes(heads, widths) / 2);
  const biases = new Float32Array(mapBiasBytes(heads, widths) / 4);
  let row = 0;
  let begin = 0;
  for (const { inputs, outputs, weight, bias } of stages) {
    for (let r = 0; r < heads * outputs; r++) {
      biases[row++] = bias[r]!;
      for (let i = 0; i < inputs; i++) halves[begin + i] = halfFromFloat(weight[r * inputs + i]!);
      begin += mapRowStride(inputs);
    }
  }
  return { weights: new Uint32Array(halves.buffer), biases };
}

/** Contents of the uniform `widths` of signature-map.wgsl. */
export function packWidths(query: readonly number[], key: readonly number[]): ArrayBuffer {
  const numbers = new Uint32Array(32);
  numbers.set(query, 0);
  numbers.set(key, 16);
  return numbers.buffer;
}

/** Refuses maps that the kernels cannot run; the loader has told the world's files by then. */
export function checkSignatureMap(what: string, map: SignatureMap, headDim: number): void {
  const { heads, widths } = map;
  const bits = widths.at(-1);
  invariant(
    widths.length >= 2 && widths.length <= maxMapStages + 1,
    `${what} must have 1 to ${maxMapStages} stages, got ${widths.length - 1}`,
  );
  invariant(
    widths.every((width) => Number.isInteger(width) && width > 0 && width <= maxMapWidth),
    `${what}: widths must be 1 to ${maxMapWidth}, got ${widths.join(', ')}`,
  );
  invariant(widths[0] === headDim, `${what} must take ${headDim} inputs, got ${widths[0]}`);
  invariant(bits === 32 || bits === 64, `${what} must give 32 or 64 bits, got ${bits}`);
  invariant(headDim % 2 === 0, `${what}: headDim must be even, got ${headDim}`);
  expectBytes(`${what}: weights`, map.weights, mapWeightBytes(heads, widths));
  expectBytes(`${what}: biases`, map.biases, mapBiasBytes(heads, widths));
}

function stagesOf(widths: readonly number[]): readonly (readonly [inputs: number, outputs: number])[] {
  return widths.slice(1).map((outputs, stage) => [widths[stage]!, outputs] as const);
}
