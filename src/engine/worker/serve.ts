/** The worker's side of the protocol: one engine, many requests. */
import { invariant } from '../../errors.ts';
import type { Engine, EngineOptions, EngineStatus, MemoryPlan } from '../api.ts';
import { Credit } from './credit.ts';
import { errorToJson } from './error-json.ts';
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

/** How an engine is made; the worker loads the real one, tests hand in their own. */
export interface EngineFactory {
  createLocalEngine(options: EngineOptions): Promise<Engine>;
  planLocalModel(options: EngineOptions): Promise<MemoryPlan>;
}

/** Returns the function that takes each message from the page. */
export function serveEngine(
  post: (message: FromWorker) => void,
  factory: () => Promise<EngineFactory>,
): (message: ToWorker) => void {
  const server = new Server(post, factory);
  return (message) => server.receive(message);
}

/** A request under way. Calls have no use for credit. */
interface Ongoing {
  readonly abort: AbortController;
  readonly credit: Credit;
}

class Server {
  readonly #post: (message: FromWorker) => void;
  readonly #factory: () => Promise<EngineFactory>;
  readonly #ongoing = new Map<number, Ongoing>();
  #engine: Engine | undefined;

  constructor(post: (message: FromWorker) => void, factory: () => Promise<EngineFactory>) {
    this.#post = post;
    this.#factory = factory;
  }

  readonly #onStatus = (status: EngineStatus): void => this.#post({ kind: 'status', status });

  receive(message: ToWorker): void {
    switch (message.kind) {
      case 'call':
        void this.#during(message.id, ({ abort }) => this.#call(message, abort.signal));
        break;
      case 'open':
        void this.#during(message.id, (ongoing) => this.#stream(message, ongoing));
        break;
      case 'pull':
        this.#ongoing.get(message.id)?.credit.add(message.items);
        break;
      case 'abort':
        this.#ongoing.get(message.id)?.abort.abort();
        break;
      case 'close':
        this.#ongoing.get(message.id)?.credit.close();
        this.#ongoing.get(message.id)?.abort.abort();
        break;
      default:
        message satisfies never;
    }
  }

  /** Keeps the request reachable for `pull`, `abort` and `close` while it runs, and reports its failure. */
  async #during(id: number, work: (ongoing: Ongoing) => Promise<void>): Promise<void> {
    const ongoing: Ongoing = { abort: new AbortController(), credit: new Credit() };
    this.#ongoing.set(id, ongoing);
    try {
      await work(ongoing);
    } catch (error) {
      this.#post({ kind: 'failed', id, error: errorToJson(error) });
    } finally {
      this.#ongoing.delete(id);
    }
  }

  async #call(message: CallMessage, signal: AbortSignal): Promise<void> {
    const value = await this.#answer(message, signal);
    this.#post({ kind: 'result', id: message.id, value });
  }

  async #answer(message: CallMessage, signal: AbortSignal): Promise<Calls[CallName]['result']> {
    switch (message.method) {
      case 'plan':
        return (await this.#factory()).planLocalModel({ ...message.args, signal, onStatus: this.#onStatus });
      case 'load':
        return this.#load(message.args, signal);
      case 'complete':
        return this.#loaded().chat.completions.create({ ...message.args, stream: false }, { signal });
      case 'tokenize':
        return this.#loaded().tokenize(message.args.text, {
          addSpecialTokens: message.args.addSpecialTokens,
        });
      case 'detokenize':
        return this.#loaded().detokenize(message.args);
      case 'setAttention':
        await this.#loaded().setAttention(message.args);
        return null;
      case 'probe':
        return this.#loaded().probe({ ...message.args, signal });
      case 'attentionFacts':
        return this.#loaded().attentionFacts();
      case 'useSignatures':
        return this.#loaded().useSignatures(message.args);
      case 'memory':
        return this.#loaded().memory();
      case 'dispose':
        await this.#dispose();
        return null;
      default:
        return message satisfies never;
    }
  }

  async #load(options: Calls['load']['args'], signal: AbortSignal): Promise<Calls['load']['result']> {
    invariant(this.#engine === undefined, 'a worker holds one engine; open another worker for another model');
    const { createLocalEngine } = await this.#factory();
    const engine = await createLocalEngine({
      ...options,
      signal,
      onProgress: (progress) => this.#post({ kind: 'progress', progress }),
      onStatus: this.#onStatus,
    });
    this.#engine = engine;
    return { model: engine.model, plan: engine.plan };
  }

  /** Ends every request, a load included, then frees the engine. */
  async #dispose(): Promise<void> {
    for (const { abort, credit } of this.#ongoing.values()) {
      credit.close();
      abort.abort();
    }
    await this.#engine?.dispose();
  }

  #loaded(): Engine {
    invariant(this.#engine !== undefined, 'the worker was asked before its engine was loaded');
    return this.#engine;
  }

  async #stream(message: OpenMessage, { abort, credit }: Ongoing): Promise<void> {
    const { id } = message;
    const items = await this.#open(message, abort.signal);
    this.#post({ kind: 'opened', id });
    if (!(await credit.take())) return;
    for await (const value of items) {
      this.#post({ kind: 'item', id, value });
      if (!(await credit.take())) return;
    }
    this.#post({ kind: 'ended', id });
  }

  async #open(
    message: OpenMessage,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Streams[StreamName]['item']>> {
    switch (message.method) {
      case 'generate':
        return this.#loaded().generate({ ...message.args, signal });
      case 'chat':
        return this.#loaded().chat.completions.create({ ...message.args, stream: true }, { signal });
      case 'train':
        return this.#loaded().trainSignatures({ ...message.args, signal });
      default:
        return message satisfies never;
    }
  }
}
