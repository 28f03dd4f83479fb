/** Chooses how many steps to submit at once: enough to hide the read-back, few enough that stopping wastes little. */

/** Milliseconds of GPU time one batch should take. */
const batchMs = 12;
const mostSteps = 16;

export class BatchSizer {
  #stepMs = Number.POSITIVE_INFINITY;
  #lastFinished = 0;
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Steps the next batch should have; 1 until a step has been timed. */
  get size(): number {
    return Math.min(mostSteps, Math.max(1, Math.floor(batchMs / this.#stepMs)));
  }

  /** A generation starts: the pause before it is not a step's time. */
  restart(): void {
    this.#lastFinished = 0;
  }

  /** A batch of `steps` has been read back. */
  finished(steps: number): void {
    const now = this.#now();
    if (this.#lastFinished > 0) {
      const stepMs = (now - this.#lastFinished) / steps;
      this.#stepMs = Number.isFinite(this.#stepMs) ? 0.5 * this.#stepMs + 0.5 * stepMs : stepMs;
    }
    this.#lastFinished = now;
  }
}
