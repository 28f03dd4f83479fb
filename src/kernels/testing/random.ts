/** Seeded random data, a different seed every run, printed so that a failure can be repeated. */
import { environmentVariable } from './environment.ts';

/** Seed of this run; set TEST_SEED to repeat one. */
export const runSeed: number = Number(
  environmentVariable('TEST_SEED') || Math.floor(Math.random() * 0x7fffffff),
);

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform in [0, 1): mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** Standard normal (Box–Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  normals(count: number, scale = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: count }, () => this.normal() * scale);
  }

  words(count: number): Uint32Array<ArrayBuffer> {
    return Uint32Array.from({ length: count }, () => Math.floor(this.next() * 4294967296));
  }
}
