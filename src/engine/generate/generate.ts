/** Text generation on top of tokens: waits for its turn, streams text, applies stop strings, measures. */
import { AppError, invariant } from '../../errors.ts';
import type { FinishReason, GenerationEvent, Timings, Usage } from '../api.ts';
import type { TokenEngine, TokenEvent } from '../token-engine.ts';
import type { PreparedRequest } from './prepare-request.ts';
import { RequestQueue } from './request-queue.ts';
import { StopStrings } from './stop-strings.ts';
import { Stopwatch } from './stopwatch.ts';

/** Token ids to text that is safe to show: never half a character, no special tokens. */
export interface TextStream {
  push(token: number): string;
  end(): string;
}

export interface GeneratorParts {
  readonly tokens: TokenEngine;
  readonly createTextStream: () => TextStream;
  /** Milliseconds from any origin. */
  readonly now: () => number;
}

export class Generator {
  readonly #parts: GeneratorParts;
  /** Generations, and work between them, take turns. */
  readonly turns = new RequestQueue();
  /** Work beside the answer being written; null while none is. */
  #guests: Set<Promise<unknown>> | null = null;

  constructor(parts: GeneratorParts) {
    this.#parts = parts;
  }

  /** Runs when first asked for an event and its turn has come; one event per token, the end token included.
   *  A fired signal ends it with reason "aborted", also while it waits. */
  async *run(
    request: PreparedRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent, void, undefined> {
    const answer = new Answer(request, this.#parts);
    const leave = await this.turns.enter(signal).catch((error: unknown) => ignoreAbort(error, signal));
    if (leave) {
      const guests = new Set<Promise<unknown>>();
      this.#guests = guests;
      try {
        yield* this.#answer(answer, request, signal);
      } finally {
        this.#guests = null;
        void Promise.allSettled(guests).then(leave);
      }
    }
    yield answer.finished(signal.aborted);
  }

  /** Runs `work` at once while an answer is written, and whoever comes after the answer waits for it, too; else when its
   *  turn has come.
   *  @throws AppError "aborted" when the signal fires while it waits. */
  async beside<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const guests = this.#guests;
    if (!guests) return this.turns.run(work, signal);
    const guest = work();
    guests.add(guest);
    return guest.finally(() => guests.delete(guest));
  }

  async *#answer(
    answer: Answer,
    request: PreparedRequest,
    signal: AbortSignal,
  ): AsyncGenerator<GenerationEvent> {
    answer.start();
    const { stop: _, ...tokenRequest } = request;
    try {
      for await (const event of this.#parts.tokens.generateTokens({ ...tokenRequest, signal })) {
        yield answer.take(event);
        if (answer.isComplete) return;
      }
    } catch (error) {
      ignoreAbort(error, signal);
    }
  }
}

/** An aborted wait or generation finishes as such instead of failing. */
function ignoreAbort(error: unknown, signal: AbortSignal): undefined {
  if (!(signal.aborted && error instanceof AppError && error.code === 'aborted')) throw error;
}

/** What has been generated so far in one request. */
class Answer {
  readonly #request: PreparedRequest;
  readonly #stopwatch: Stopwatch;
  readonly #text: TextStream;
  readonly #stops: StopStrings;
  #tokens = 0;
  #cachedTokens = 0;
  /** Of the steps, hence from the second token on. */
  #attentionBytes = 0;
  #denseAttentionBytes = 0;
  #ending: 'end-token' | 'stop-string' | 'length' | null = null;

  constructor(request: PreparedRequest, parts: GeneratorParts) {
    this.#request = request;
    this.#stopwatch = new Stopwatch(parts.now);
    this.#text = parts.createTextStream();
    this.#stops = new StopStrings(request.stop);
  }

  get isComplete(): boolean {
    return this.#ending !== null;
  }

  start(): void {
    this.#stopwatch.start();
  }

  take(event: TokenEvent): GenerationEvent {
    switch (event.kind) {
      case 'prefill': {
        const { doneTokens, totalTokens, cachedTokens } = event;
        this.#cachedTokens = cachedTokens;
        this.#stopwatch.prefill(doneTokens - cachedTokens);
        return { kind: 'prefill', doneTokens, totalTokens, cachedTokens };
      }
      case 'token': {
        const { token, isEnd, logprob, contextTokens, attendedTokens } = event;
        const { attentionBytes, denseAttentionBytes } = event;
        const tokensPerSecond = this.#stopwatch.token();
        if (this.#tokens > 0) {
          this.#attentionBytes += attentionBytes;
          this.#denseAttentionBytes += denseAttentionBytes;
        }
        this.#tokens += 1;
        const { text, stopped } = isEnd
          ? { text: '', stopped: false }
          : this.#stops.push(this.#text.push(token));
        if (isEnd) this.#ending = 'end-token';
        else if (stopped) this.#ending = 'stop-string';
        else if (this.#tokens >= this.#request.maxTokens) this.#ending = 'length';
        return {
          ...({ kind: 'token', token, text, contextTokens, attendedTokens } as const),
          ...{ attentionBytes, denseAttentionBytes, tokensPerSecond },
          ...(logprob ? { logprob } : {}),
          ...(this.#tokens === 1 ? { timings: this.#timings() } : {}),
        };
      }
      default:
        return event satisfies never;
    }
  }

  finished(aborted: boolean): GenerationEvent {
    invariant(
      this.#ending !== null || aborted,
      `the token engine ended after ${this.#tokens} of ${this.#request.maxTokens} tokens without an end token`,
    );
    const usage: Usage = {
      promptTokens: this.#request.prompt.length,
      completionTokens: this.#tokens,
      cachedTokens: this.#cachedTokens,
    };
    const { text, reason } = this.#lastText();
    return { kind: 'finished', reason, text, usage, timings: this.#timings() };
  }

  #timings(): Timings {
    return {
      ...this.#stopwatch.timings(),
      attentionBytes: this.#attentionBytes,
      denseAttentionBytes: this.#denseAttentionBytes,
    };
  }

  /** The last incomplete character may still complete a stop string. */
  #lastText(): { text: string; reason: FinishReason } {
    if (this.#ending === 'stop-string') return { text: '', reason: 'stop' };
    const { text, stopped } = this.#stops.push(this.#text.end());
    if (stopped) return { text, reason: 'stop' };
    const reason = this.#ending === null ? 'aborted' : this.#ending === 'length' ? 'length' : 'stop';
    return { text: text + this.#stops.end(), reason };
  }
}
