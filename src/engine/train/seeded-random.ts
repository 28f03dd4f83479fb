/** Numbers that a seed and a purpose fix: what step 300 reads does not depend on how training came to it. */
import { mixBits } from '../../model/mix-bits.ts';

export class SeededRandom {
  #state: number;

  /** @param seeds mixed in turn, e.g. the run's seed, a purpose and a step. */
  constructor(...seeds: readonly number[]) {
    this.#state = seeds.reduce((state, seed) => mixBits((state + 0x9e3779b9) ^ mixBits(seed)), 0);
  }

  /** Uniform in [0, 1), of 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    return mixBits(this.#state) / 2 ** 32;
  }

  /** Uniform among low … high − 1. */
  below(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low));
  }
}
