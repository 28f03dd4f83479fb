/** Query planes: the bits that the distance of a token is counted against, and what each plane weighs. */
import { concatenate } from '../shared/concatenate.ts';
import { signatureOf } from './signature-map.ref.ts';

/** distance(token) = Σ_p 2^{exponents[p]} · popcount(plane p XOR signature), smaller is better. */
export interface QueryPlanes {
  readonly exponents: readonly number[];
  /** u32 [planes, words] */
  readonly words: Uint32Array<ArrayBuffer>;
}

/** The odd integers that stand for a real vector s: wᵢ = clamp(2·floor(sᵢ/scale) + 1, ±(2^b − 1)) with
 *  scale = max|s| / (2^(b−1) − ½), 1 where s is all zero. */
export function quantiseQuery(s: ArrayLike<number>, queryBits: number): Int32Array {
  const values = Array.from(s);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = largest === 0 ? 1 : largest / (2 ** (queryBits - 1) - 0.5);
  const limit = 2 ** queryBits - 1;
  return Int32Array.from(values, (value) =>
    Math.min(Math.max(2 * Math.floor(value / scale) + 1, -limit), limit),
  );
}

/** Plane b holds bit b of every uᵢ = (wᵢ + 2^queryBits − 1)/2 and weighs 2ᵇ. Then, over the key's signs (±1),
 *  Σᵢ wᵢ · signᵢ = (2^queryBits − 1) · bits − 2 · distance. */
export function asymmetricPlanes(weights: ArrayLike<number>, queryBits: number): QueryPlanes {
  const exponents = Array.from({ length: queryBits }, (_, bit) => bit);
  const levels = Array.from(weights, (weight) => (weight + 2 ** queryBits - 1) / 2);
  const planes = exponents.map((bit) => signatureOf(levels.map((level) => (level >> bit) & 1)));
  return { exponents, words: concatenate(Uint32Array, planes) };
}

/** One plane of weight 1 for each of the group's map values: the signs of each. */
export function hammingPlanes(mapped: readonly ArrayLike<number>[]): QueryPlanes {
  return { exponents: mapped.map(() => 0), words: concatenate(Uint32Array, mapped.map(signatureOf)) };
}

/** @param signatureAt the words [words] that plane p is compared with. */
export function distanceOf(planes: QueryPlanes, signatureAt: (plane: number) => Uint32Array): number {
  const words = planes.words.length / planes.exponents.length;
  return planes.exponents.reduce((distance, exponent, plane) => {
    const signature = signatureAt(plane);
    let differing = 0;
    for (let word = 0; word < words; word++) {
      differing += popcount(planes.words[plane * words + word]! ^ signature[word]!);
    }
    return distance + 2 ** exponent * differing;
  }, 0);
}

function popcount(word: number): number {
  let count = 0;
  for (let rest = word >>> 0; rest !== 0; rest >>>= 1) count += rest & 1;
  return count;
}
