/** Random rows of halves at the price of a copy: each begins somewhere else in one long random sequence. */
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import type { Random } from './random.ts';

/** The same numbers twice. */
export interface RowPoolRows {
  readonly halves: Uint16Array<ArrayBuffer>;
  readonly values: Float64Array;
}

const poolSize = 2 ** 16;
const period = 3;

export class RowPool {
  readonly #halves: Uint16Array;
  readonly #values: Float64Array;

  /** Normal deviates about −1, 0 and 1 in turn, so that a mean of many rows is not zero. */
  constructor(random: Random) {
    this.#halves = Uint16Array.from({ length: poolSize }, (_, i) =>
      halfFromFloat(Math.fround(random.normal() + (i % period) - 1)),
    );
    this.#values = Float64Array.from(this.#halves, floatFromHalf);
  }

  /** [heads, capacity, width], of which each head's first `rows` are random and the others NaN. */
  cache(
    random: Random,
    size: {
      readonly heads: number;
      readonly capacity: number;
      readonly width: number;
      readonly rows: number;
    },
  ): RowPoolRows {
    const { heads, capacity, width, rows } = size;
    const halves = new Uint16Array(heads * capacity * width).fill(0x7e00);
    const values = new Float64Array(halves.length).fill(Number.NaN);
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < rows; row++) {
        const from = period * random.integer(0, Math.floor((poolSize - width) / period));
        const to = (head * capacity + row) * width;
        halves.set(this.#halves.subarray(from, from + width), to);
        values.set(this.#values.subarray(from, from + width), to);
      }
    }
    return { halves, values };
  }
}
