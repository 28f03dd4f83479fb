/** The page's side of the protocol: numbered requests, their answers, and streams with back-pressure. */
import { AppError, invariant, throwIfAborted } from '../../errors.ts';
import type { EngineStatus, LoadProgress } from '../api.ts';
import type {
  CallMessage,
  CallName,
  Calls,
  FromWorker,
  OpenMessage,
  StreamName,
  Streams,
  ToWorker,
} from './protocol.ts';

/** What the worker tells without being asked. */
export interface Notices {
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly onStatus?: ((status: EngineStatus) => void) | undefined;
}

type Answer = Extract<FromWorker, { readonly id: number }>;

/** Items the worker may send ahead of the reader. */
const itemsAhead = 64;

export class Connection {
  readonly #send: (message: ToWorker) => void;
  readonly #notices: Notices;
  readonly #pending = new Map<number, (answer: Answer) => void>();
  #lastId = 0;
  #broken: AppError | undefined;

  /** `send`: posts to the worker; throws what structured cloning throws. */
  constructor(send: (message: ToWorker) => void, notices: Notices) {
    this.#send = send;
    this.#notices = notices;
  }

  /** Takes each message from the worker. */
  receive(message: FromWorker): void {
    switch (message.kind) {
      case 'progress':
        this.#notices.onProgress?.(message.progress);
        break;
      case 'status':
        this.#notices.onStatus?.(message.status);
        break;
      default:
        // Answers to requests given up in the meantime find nobody.
        this.#pending.get(message.id)?.(message);
    }
  }

  /** The worker is gone: rejects every request under way, and every later one, with this error. */
  fail(error: AppError): void {
    this.#broken ??= error;
    for (const [id, take] of this.#pending) take({ kind: 'failed', id, error: error.toJSON() });
  }

  /** Asks once. A fired signal rejects at once with AppError "aborted"; the worker stops on its own. */
  async call<M extends CallName>(
    method: M,
    args: Calls[M]['args'],
    signal?: AbortSignal,
  ): Promise<Calls[M]['result']> {
    throwIfAborted(signal);
    const id = this.#newId();
    const onAbort = (): void => {
      this.#post({ kind: 'abort', id });
      const { code, message, details } = new AppError('aborted', 'The operation was stopped by its caller.');
      this.#pending.get(id)?.({ kind: 'failed', id, error: { code, message, details } });
    };
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, (answer) => {
          if (answer.kind === 'failed') reject(AppError.fromJSON(answer.error));
          else if (answer.kind === 'result') resolve(answer.value as Calls[M]['result']);
        });
        signal?.addEventListener('abort', onAbort);
        this.#post({ kind: 'call', id, method, args } as CallMessage);
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#pending.delete(id);
    }
  }

  /** Opens a stream: rejects when the request is refused. The iterable can be read once. Items flow when it is
   *  read; leaving early ends the work in the worker; a fired signal ends it too, and the stream tells how. */
  async open<M extends StreamName>(
    method: M,
    args: Streams[M]['args'],
    signal?: AbortSignal,
  ): Promise<AsyncGenerator<Streams[M]['item'], void, undefined>> {
    const id = this.#newId();
    const inbox = new Inbox<Streams[M]['item']>();
    const onAbort = (): void => this.#post({ kind: 'abort', id });
    const forget = (): void => {
      signal?.removeEventListener('abort', onAbort);
      this.#pending.delete(id);
    };
    this.#pending.set(id, (answer) => inbox.take(answer));
    signal?.addEventListener('abort', onAbort);
    try {
      this.#post({ kind: 'open', id, method, args } as OpenMessage);
      if (signal?.aborted) onAbort();
      await inbox.opened();
    } catch (error) {
      forget();
      throw error;
    }
    return this.#read(id, inbox, forget);
  }

  async *#read<T>(id: number, inbox: Inbox<T>, forget: () => void): AsyncGenerator<T, void, undefined> {
    let isOver = false;
    let room = 0;
    try {
      for (;;) {
        if (room <= itemsAhead / 2) {
          this.#post({ kind: 'pull', id, items: itemsAhead - room });
          room = itemsAhead;
        }
        const item = await inbox.next();
        if (item === null) break;
        room -= 1;
        yield item.value;
      }
      isOver = true;
    } finally {
      forget();
      if (!isOver && !this.#broken) this.#post({ kind: 'close', id });
    }
  }

  #newId(): number {
    if (this.#broken) throw this.#broken;
    this.#lastId += 1;
    return this.#lastId;
  }

  #post(message: ToWorker): void {
    try {
      this.#send(message);
    } catch (error) {
      throw new AppError(
        'invalid-request',
        `The request cannot be sent to the engine's worker: ${error}. Use plain data only.`,
        {
          cause: error,
        },
      );
    }
  }
}

/** What has arrived for one stream and was not read yet. */
class Inbox<T> {
  readonly #items: T[] = [];
  #state: 'opening' | 'open' | 'ended' | AppError = 'opening';
  #wake: (() => void) | undefined;

  take(answer: Answer): void {
    switch (answer.kind) {
      case 'opened':
        this.#state = 'open';
        break;
      case 'item':
        this.#items.push(answer.value as T);
        break;
      case 'ended':
        this.#state = 'ended';
        break;
      case 'failed':
        this.#state = AppError.fromJSON(answer.error);
        break;
      case 'result':
        invariant(false, 'a stream was answered like a call');
        break;
      default:
        answer satisfies never;
    }
    this.#wake?.();
  }

  async opened(): Promise<void> {
    while (this.#state === 'opening') await this.#change();
    if (this.#state instanceof AppError) throw this.#state;
  }

  /** The next item, or null at the end. Items that arrived before a failure come first. */
  async next(): Promise<{ readonly value: T } | null> {
    while (this.#items.length === 0 && this.#state === 'open') await this.#change();
    if (this.#items.length > 0) return { value: this.#items.shift()! };
    if (this.#state instanceof AppError) throw this.#state;
    return null;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
