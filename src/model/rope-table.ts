/** Rotary angles as tables, computed in double precision: WGSL promises sin and cos to 2⁻¹¹ only. */
import type { RopeConfig } from './rope-config.ts';

/** cos and sin of position · frequency, side by side, for positions 0 … positions − 1: f32 [positions, headDim / 2, 2], the
 *  attention factor multiplied in. */
export function ropeTable(rope: RopeConfig, headDim: number, positions: number): Float32Array<ArrayBuffer> {
  const frequencies = ropeFrequencies(rope, headDim);
  const factor = attentionFactorOf(rope);
  const table = new Float32Array(2 * positions * frequencies.length);
  for (let position = 0, at = 0; position < positions; position++) {
    for (const frequency of frequencies) {
      table[at++] = factor * Math.cos(position * frequency);
      table[at++] = factor * Math.sin(position * frequency);
    }
  }
  return table;
}

/** What cos and sin are multiplied by: 1 except with YaRN. */
export function attentionFactorOf(rope: RopeConfig): number {
  return rope.kind === 'yarn' ? rope.attentionFactor : 1;
}

/** Radians per position of each pair (i, i + headDim / 2): theta^(−2i / headDim), scaled as the model asks. */
export function ropeFrequencies(rope: RopeConfig, headDim: number): Float64Array {
  const frequencies = Float64Array.from(
    { length: headDim / 2 },
    (_, i) => rope.theta ** ((-2 * i) / headDim),
  );
  switch (rope.kind) {
    case 'default':
      return frequencies;
    case 'linear':
      return frequencies.map((frequency) => frequency / rope.factor);
    case 'llama3':
      return frequencies.map((frequency) => llama3Frequency(rope, frequency));
    case 'yarn':
      return yarnFrequencies(rope, frequencies, headDim);
    default:
      throw rope satisfies never;
  }
}

/** Llama 3.1: waves that fit often into the original context stay, those that hardly fit are stretched by
 *  `factor`, in between the two are blended. */
function llama3Frequency(rope: Extract<RopeConfig, { kind: 'llama3' }>, frequency: number): number {
  const wavesInContext = (rope.originalContext * frequency) / (2 * Math.PI);
  if (wavesInContext > rope.highFrequencyFactor) return frequency;
  if (wavesInContext < rope.lowFrequencyFactor) return frequency / rope.factor;
  const kept =
    (wavesInContext - rope.lowFrequencyFactor) / (rope.highFrequencyFactor - rope.lowFrequencyFactor);
  return ((1 - kept) * frequency) / rope.factor + kept * frequency;
}

/** YaRN: as above, but the blend is linear in the index of the pair.
 *  @see Peng et al. 2023, arXiv:2309.00071, section 3.2 */
function yarnFrequencies(
  rope: Extract<RopeConfig, { kind: 'yarn' }>,
  frequencies: Float64Array,
  headDim: number,
): Float64Array {
  /** The (fractional) pair that turns so many times over the original context. */
  const pairWithRotations = (rotations: number) =>
    (headDim * Math.log(rope.originalContext / (rotations * 2 * Math.PI))) / (2 * Math.log(rope.theta));
  const round = rope.truncate ? Math : { floor: (x: number) => x, ceil: (x: number) => x };
  const first = Math.max(round.floor(pairWithRotations(rope.betaFast)), 0);
  let last = Math.min(round.ceil(pairWithRotations(rope.betaSlow)), headDim - 1);
  if (first === last) last += 0.001; // as transformers does, to keep the ramp's slope finite
  return frequencies.map((frequency, pair) => {
    const stretched = Math.min(Math.max((pair - first) / (last - first), 0), 1);
    return (frequency / rope.factor) * stretched + frequency * (1 - stretched);
  });
}
