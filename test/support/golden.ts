/** Reading reference outputs, and measuring the distance to them. */
import type { TokenRequest } from '../../src/engine/token-engine.ts';
import { greedyChoices } from '../../src/kernels/testing/plain-choices.ts';
import { parseSafetensorsHeader, safetensorsDataBegin } from '../../src/model/safetensors.ts';

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** Greedy answers of the reference, with the five largest logits at each step. */
export interface GreedyGolden {
  readonly name: string;
  readonly prompt_ids: readonly number[];
  readonly tokens: readonly number[];
  readonly top1_top2_gap: readonly number[];
  readonly top5: readonly (readonly (readonly [token: number, logit: number])[])[];
}

/** Of the default model's logits. An f16 cache alone moves them by up to 0.03. */
export const logitBound = 0.05;

/** F32 and I32 tensors of a safetensors file. */
export function readTensors(file: string, bytes: Uint8Array<ArrayBuffer>): Map<string, GoldenTensor> {
  const sizes = { file, fileSize: bytes.length };
  const dataBegin = safetensorsDataBegin(bytes.subarray(0, 8), sizes);
  const { entries } = parseSafetensorsHeader(bytes.subarray(0, dataBegin), sizes);
  return new Map(
    entries.map(({ name, dtype, shape, begin, end }) => {
      const data = bytes.slice(begin, end).buffer;
      return [name, { shape, values: dtype === 'I32' ? new Int32Array(data) : new Float32Array(data) }];
    }),
  );
}

/** √(Σ (got − expected)² / Σ expected²). */
export function relativeRms(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) throw new Error(`${got.length} values against ${expected.length}`);
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i]! - expected[i]!) ** 2;
    size += expected[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

export function argMax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

/** −ln softmax(logits)[token], in double precision. */
export function negativeLogLikelihood(logits: ArrayLike<number>, token: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i]!);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest);
  return largest + Math.log(sum) - logits[token]!;
}

export function greedyRequest(prompt: readonly number[], maxTokens: number): TokenRequest {
  const { signal } = new AbortController();
  return { prompt, maxTokens, endTokens: [], sampling: greedyChoices, topLogprobs: null, signal };
}
