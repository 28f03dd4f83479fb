/** Patience with failures that may pass: waits, longer each time, and gives up in the end. */
import { AppError, throwIfAborted } from '../../../errors.ts';
import { type HttpClient, shownUrl, type TransientFailure } from './http-client.ts';

/** Progress after which earlier failures are forgiven: bounds the number of attempts by the file's size. */
const forgivingBytes = 2 ** 20;

export class Retries {
  readonly #client: HttpClient;
  readonly #url: string;
  #failures = 0;
  #bytesSinceFailure = 0;

  constructor(client: HttpClient, url: string) {
    this.#client = client;
    this.#url = shownUrl(url);
  }

  progress(bytes: number): void {
    this.#bytesSinceFailure += bytes;
    if (this.#bytesSinceFailure >= forgivingBytes) this.#failures = 0;
  }

  /** Waits before the next attempt, and says so. `state` is how far a download came; null before it began.
   *  @throws AppError "download-failed" when there shall be none, saying how far the download came; "aborted". */
  async pauseAfter(
    failure: TransientFailure,
    state: { readonly gotBytes: number; readonly wantedBytes: number } | null,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    this.#failures++;
    this.#bytesSinceFailure = 0;
    const { policy, onWaiting } = this.#client;
    const { firstDelayMs, maxDelayMs } = policy;
    const attempts = state ? policy.attempts : Math.min(policy.attempts, policy.firstAttempts);
    const isLast = this.#failures >= attempts;
    if (isLast || failure.retryAfterMs > maxDelayMs) {
      const reason = isLast
        ? `${this.#failures} attempts failed, the last because ${failure.message}`
        : `${failure.message} and asks to wait ${Math.ceil(failure.retryAfterMs / 1000)} s`;
      throw new AppError(
        'download-failed',
        `${this.#url}: ${state ? `got ${state.gotBytes} of ${state.wantedBytes} bytes; ` : ''}${reason}. Check the connection and load again.`,
        { details: { url: this.#url, ...state, attempts: this.#failures }, cause: failure },
      );
    }
    onWaiting?.(`${this.#url}: ${failure.message}. Attempt ${this.#failures + 1} of ${attempts} follows.`);
    // Half of the wait is random, so that many clients do not come back at the same moment.
    const backoff = Math.min(maxDelayMs, firstDelayMs * 2 ** (this.#failures - 1));
    await sleep(Math.max(failure.retryAfterMs, backoff * (0.5 + Math.random() / 2)), signal);
  }
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done);
  });
  throwIfAborted(signal);
}
