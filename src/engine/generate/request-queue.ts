/** Work runs one after another, in the order it came. */
import { throwIfAborted } from '../../errors.ts';

export class RequestQueue {
  #last: Promise<void> = Promise.resolve();

  /** Waits for all earlier requests; the returned function lets the next one in and may be called twice.
   *  @throws AppError "aborted" when the signal fires while waiting; the place in the queue is given up. */
  async enter(signal: AbortSignal): Promise<() => void> {
    throwIfAborted(signal);
    const earlier = this.#last;
    let leave = (): void => {};
    const gone = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.#last = earlier.then(() => gone);
    await firstOf(earlier, signal);
    if (signal.aborted) leave();
    throwIfAborted(signal);
    return leave;
  }

  /** Runs `work` when its turn has come.
   *  @throws AppError "aborted" when the signal fires while it waits. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const leave = await this.enter(signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }
}

function firstOf(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => resolve();
    signal.addEventListener('abort', done, { once: true });
    void promise.then(() => {
      signal.removeEventListener('abort', done);
      resolve();
    });
  });
}
