/** What comes over a network, and what work goes on without until it is there. */
import { AppError } from '../../errors.ts';

/** Milliseconds after a failure until it is tried again. */
const pauseMs = 30_000;

export interface ArrivalParts<T> {
  readonly fetch: () => Promise<T>;
  /** A fault of the world. Any other is thrown by the next `get`. */
  readonly onFailure: (error: AppError) => void;
  readonly now?: () => number;
}

export class Arrival<T extends object> {
  readonly #parts: ArrivalParts<T>;
  #value: T | undefined;
  #bug: unknown;
  /** When it may be asked for; Infinity while it has been. */
  #from = 0;

  constructor(parts: ArrivalParts<T>) {
    this.#parts = parts;
  }

  /** What arrived; undefined while it is on its way, for which it is sent where nothing is known yet, or no longer. */
  get(): T | undefined {
    if (this.#bug !== undefined) throw this.#bug;
    if (this.#value === undefined && this.#now() >= this.#from) void this.#send();
    return this.#value;
  }

  async #send(): Promise<void> {
    this.#from = Number.POSITIVE_INFINITY;
    try {
      this.#value = await this.#parts.fetch();
    } catch (error) {
      if (!(error instanceof AppError)) {
        this.#bug = error;
        return;
      }
      this.#from = this.#now() + pauseMs;
      this.#parts.onFailure(error);
    }
  }

  #now(): number {
    return (this.#parts.now ?? (() => performance.now()))();
  }
}
