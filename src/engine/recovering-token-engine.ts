/** A token engine that survives the loss of its device: it opens another one, loads the weights again and goes on
 *  with the answer where it stopped. */
import { AppError } from '../errors.ts';
import type { AttentionOptions, EngineStatus, MemoryUse } from './api.ts';
import type { GpuTokenEngine } from './gpu-token-engine.ts';
import type { ProbeOptions } from './probe/probe-types.ts';
import type { NetworkWork, ProbedStep, TokenEngine, TokenEvent, TokenRequest } from './token-engine.ts';

/** Losses in a row, without a token between them, after which an answer is given up. */
const mostLosses = 3;

export interface RecoveryParts {
  /** Opens a device and loads everything anew. */
  readonly reopen: () => Promise<GpuTokenEngine>;
  readonly onStatus: (status: EngineStatus) => void;
}

export class RecoveringTokenEngine implements TokenEngine {
  readonly vocab: number;
  readonly contextLength: number;
  readonly #parts: RecoveryParts;
  #current: Promise<GpuTokenEngine>;
  /** The engine in use; a lost one until another is open. */
  #engine: GpuTokenEngine;
  #attention: AttentionOptions;
  #isDisposed = false;

  constructor(first: GpuTokenEngine, attention: AttentionOptions, parts: RecoveryParts) {
    this.#parts = parts;
    this.#attention = attention;
    this.vocab = first.vocab;
    this.contextLength = first.contextLength;
    this.#engine = first;
    this.#current = Promise.resolve(first);
    this.#watch(first);
  }

  setAttention(options: AttentionOptions): void {
    this.#attention = options;
    this.#engine.setAttention(options);
  }

  async probe(options: ProbeOptions): Promise<ProbedStep> {
    return (await this.#usable()).probe(options);
  }

  async withNetwork<T>(work: NetworkWork<T>): Promise<T> {
    return (await this.#usable()).withNetwork(work);
  }

  memory(): MemoryUse {
    return this.#engine.memory();
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#engine.dispose();
  }

  async *generateTokens(request: TokenRequest): AsyncGenerator<TokenEvent> {
    const answered: number[] = [];
    let losses = 0;
    for (;;) {
      try {
        const engine = await this.#usable();
        for await (const event of engine.generateTokens({ ...request, answered })) {
          if (event.kind === 'token') {
            answered.push(event.token);
            losses = 0;
          } else if (answered.length > 0) {
            continue; // reading the context again is no progress of the prompt
          }
          yield event;
        }
        return;
      } catch (error) {
        const isLoss = error instanceof AppError && error.code === 'device-lost';
        losses++;
        if (!isLoss || this.#isDisposed || losses >= mostLosses) throw error;
        await this.#engine.lost;
      }
    }
  }

  /** The engine, once a recovery under way is done; a failed recovery is tried again. */
  async #usable(): Promise<GpuTokenEngine> {
    try {
      return await this.#current;
    } catch {
      this.#recover('the device is still gone');
      return this.#current;
    }
  }

  #watch(engine: GpuTokenEngine): void {
    engine.lost.then((reason) => {
      if (!this.#isDisposed && engine === this.#engine) this.#recover(reason);
    });
  }

  #recover(reason: string): void {
    this.#parts.onStatus({ kind: 'recovering', reason });
    this.#current = this.#reopen();
    this.#current.catch(() => undefined); // reported by status, and to whoever asks for the engine
  }

  async #reopen(): Promise<GpuTokenEngine> {
    try {
      const engine = await this.#parts.reopen();
      if (this.#isDisposed) {
        engine.dispose();
        throw new AppError('aborted', 'The engine was disposed while it recovered.');
      }
      engine.setAttention(this.#attention);
      this.#engine.dispose();
      this.#engine = engine;
      this.#watch(engine);
      this.#parts.onStatus({ kind: 'ready' });
      return engine;
    } catch (error) {
      const { code, message } =
        error instanceof AppError ? error : { code: 'internal', message: String(error) };
      this.#parts.onStatus({ kind: 'failed', error: { code, message } });
      throw error;
    }
  }
}
