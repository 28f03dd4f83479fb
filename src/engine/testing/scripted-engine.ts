/** A text engine over a token engine that says what it is told: to test what surrounds the numbers.
 *  Its vocabulary is the 256 bytes, then `bos` and `eos`. */
import { throwIfAborted } from '../../errors.ts';
import type { AttentionFacts, Engine, MemoryPlan, MemoryUse, ModelSummary } from '../api.ts';
import type { ProbeOptions } from '../probe/probe-types.ts';
import { createTextEngine, type TextEngineParts } from '../text-engine.ts';
import type { NetworkWork, ProbedStep, TokenEngine, TokenEvent, TokenRequest } from '../token-engine.ts';

export const bos = 256;
export const eos = 257;
const vocab = 258;

const encoder = new TextEncoder();

export function bytesOf(text: string): number[] {
  return [...encoder.encode(text)];
}

export const memoryUse: MemoryUse = { weightBytes: 11, kvCacheBytes: 22, scratchBytes: 33 };

export const attentionFacts: AttentionFacts = {
  ...{ crossoverTokens: 44, maps: 'trained', score: 'asymmetric', bits: 32, sharing: 'kv-head' },
  layerBudgets: null,
};

export const modelSummary: ModelSummary = {
  name: 'scripted',
  modelType: 'llama',
  parameters: 5,
  vocab,
  layers: 1,
};

export const memoryPlan: MemoryPlan = {
  modelType: 'llama',
  parameters: 5,
  downloadBytes: 1,
  weightsDescription: 'none',
  weightBytes: 11,
  contextLength: 100,
  trainedContext: 100,
  contextExtension: null,
  kvCacheBytes: 22,
  hashBytes: 44,
  scratchBytes: 33,
  totalBytes: 110,
  licence: null,
  device: { description: '', isCpu: true, kernelVariant: 'serial', maxBufferBytes: 1, maxBindingBytes: 1 },
  problems: [],
};

export interface Script {
  /** Token ids to produce; forever `x` after them. */
  readonly answer: readonly number[];
  readonly contextLength?: number;
  readonly vocab?: number;
  /** Awaited before each token, with its number. */
  readonly beforeToken?: (index: number) => Promise<void> | void;
}

/** Fails when two generations run at once, as the real one would. */
class ScriptedTokens implements TokenEngine {
  readonly vocab: number;
  readonly contextLength: number;
  readonly requests: TokenRequest[] = [];
  readonly attention: unknown[] = [];
  isRunning = false;
  isDisposed = false;
  produced = 0;
  readonly #script: Script;
  #cache: readonly number[] = [];

  constructor(script: Script) {
    this.#script = script;
    this.contextLength = script.contextLength ?? 100;
    this.vocab = script.vocab ?? vocab;
  }

  async *generateTokens(request: TokenRequest): AsyncGenerator<TokenEvent, void, undefined> {
    if (this.isRunning) throw new Error('two generations at once');
    this.isRunning = true;
    this.requests.push(request);
    try {
      yield* this.#generate(request);
    } finally {
      this.isRunning = false;
    }
  }

  async *#generate({ prompt, maxTokens, endTokens, topLogprobs, signal }: TokenRequest) {
    const totalTokens = prompt.length;
    const cachedTokens = Math.min(commonPrefix(prompt, this.#cache), totalTokens - 1);
    yield { kind: 'prefill', doneTokens: cachedTokens, totalTokens, cachedTokens } as const;
    yield { kind: 'prefill', doneTokens: totalTokens, totalTokens, cachedTokens } as const;
    this.#cache = prompt;
    for (let index = 0; index < maxTokens; index++) {
      await this.#script.beforeToken?.(index);
      if (signal.aborted) return;
      const token = this.#script.answer[index] ?? 0x78;
      const isEnd = endTokens.includes(token);
      const contextTokens = totalTokens + index + 1;
      const top = Array.from({ length: topLogprobs ?? 0 }, (_, rank) => ({
        token: 0x61 + rank,
        logprob: -1 - rank,
      }));
      this.#cache = [...this.#cache, token];
      this.produced += 1;
      yield {
        kind: 'token' as const,
        token,
        isEnd,
        contextTokens,
        attendedTokens: contextTokens - 1,
        attentionBytes: 10 * (contextTokens - 1),
        denseAttentionBytes: 20 * (contextTokens - 1),
        ...(topLogprobs === null ? {} : { logprob: { token, logprob: -0.5, top } }),
      };
      if (isEnd) return;
    }
  }

  setAttention(options: unknown): void {
    this.attention.push(options);
  }

  async probe({ position, signal }: ProbeOptions): Promise<ProbedStep> {
    throwIfAborted(signal);
    return { position: position ?? this.#cache.length - 1, tokens: this.#cache, layers: [] };
  }

  /** A network that knows facts, and nothing else. */
  async withNetwork<T>(work: NetworkWork<T>): Promise<T> {
    const network = { prepareSparse: async () => {}, attentionFacts: async () => attentionFacts };
    return work({ network } as unknown as Parameters<NetworkWork<T>>[0]);
  }

  memory(): MemoryUse {
    return memoryUse;
  }

  dispose(): void {
    this.isDisposed = true;
  }
}

export function scriptedEngine(
  script: Script,
  parts: Partial<TextEngineParts> = {},
): { engine: Engine; tokens: ScriptedTokens } {
  const tokens = new ScriptedTokens(script);
  const engine = createTextEngine({
    tokens,
    model: modelSummary,
    plan: memoryPlan,
    learned: { folder: null },
    endTokens: [eos],
    encode: (text, { addSpecialTokens }) => [...(addSpecialTokens ? [bos] : []), ...bytesOf(text)],
    decode: (ids) => new TextDecoder().decode(Uint8Array.from(ids.filter((id) => id < 256))),
    tokenBytes: (id) => (id < 256 ? Uint8Array.of(id) : null),
    createTextStream: () => {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      return {
        push: (id) => (id < 256 ? decoder.decode(Uint8Array.of(id), { stream: true }) : ''),
        end: () => decoder.decode(),
      };
    },
    renderChat: (messages) => `${messages.map(({ role, content }) => `${role[0]}:${content}`).join('|')}|a:`,
    samplingDefaults: {},
    ...parts,
  });
  return { engine, tokens };
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

/** Everything an iteration gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** The caught error; fails when there is none. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}
