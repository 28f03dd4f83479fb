/** Measures one request: waiting, prompt, answer. */
import type { Timings } from '../api.ts';

/** What a clock tells. */
export type Durations = Omit<Timings, 'attentionBytes' | 'denseAttentionBytes'>;

/** The live speed is that of the tokens of the last two seconds, or of the last two tokens if they are slower. */
const windowMs = 2000;

export class Stopwatch {
  readonly #now: () => number;
  readonly #askedAt: number;
  #startedAt: number | undefined;
  #firstTokenAt: number | undefined;
  #lastTokenAt = 0;
  #tokens = 0;
  #prefillTokens = 0;
  #recent: number[] = [];

  /** Starts the wait. `now`: milliseconds from any origin. */
  constructor(now: () => number) {
    this.#now = now;
    this.#askedAt = now();
  }

  /** It is this request's turn. */
  start(): void {
    this.#startedAt = this.#now();
  }

  /** Prompt tokens processed so far, those reused from the cache not counted. */
  prefill(tokens: number): void {
    this.#prefillTokens = tokens;
  }

  /** A token arrived. Returns the live speed in tokens per second; 0 for the first token. */
  token(): number {
    const at = this.#now();
    this.#firstTokenAt ??= at;
    this.#lastTokenAt = at;
    this.#tokens += 1;
    this.#recent.push(at);
    while (this.#recent.length > 2 && this.#recent[0]! < at - windowMs) this.#recent.shift();
    return perSecond(this.#recent.length - 1, at - this.#recent[0]!);
  }

  /** Prefill runs from the request's turn to its first token (or to now when there was none), decoding from the
   *  first token to the last; the time to the first token includes waiting and is 0 when there was none. */
  timings(): Durations {
    const started = this.#startedAt ?? this.#now();
    const first = this.#firstTokenAt;
    const prefillMs = this.#startedAt === undefined ? 0 : (first ?? this.#now()) - started;
    const decodeTokens = Math.max(0, this.#tokens - 1);
    const decodeMs = first === undefined ? 0 : this.#lastTokenAt - first;
    return {
      prefillTokens: this.#prefillTokens,
      prefillMs,
      prefillTokensPerSecond: perSecond(this.#prefillTokens, prefillMs),
      timeToFirstTokenMs: first === undefined ? 0 : first - this.#askedAt,
      decodeTokens,
      decodeMs,
      decodeTokensPerSecond: perSecond(decodeTokens, decodeMs),
    };
  }
}

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
