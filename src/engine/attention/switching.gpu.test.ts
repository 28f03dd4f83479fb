/** Changing the attention policy again and again in the middle of a conversation: it changes no token where nothing is left
 *  out, and leaves beside the cache what would be made of it afresh. */
import { afterEach, describe, expect, test } from 'vitest';
import { type GreedyGolden, logitBound } from '../../../test/support/golden.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { randomHashMaps } from '../../../test/support/random-model.ts';
import {
  MemorySource,
  readDefaultModel,
  readTestJson,
  readTinyModel,
} from '../../../test/support/test-files.ts';
import { blockSumsReference } from '../../kernels/block-sums/block-sums.ref.ts';
import { readBytes } from '../../kernels/runtime/readback.ts';
import type { BufferSlice } from '../../kernels/runtime/tensor.ts';
import { floatFromHalf } from '../../kernels/shared/half.ts';
import { blockTokens } from '../../kernels/shared/token-blocks.ts';
import { dotBound, expectClose } from '../../kernels/testing/expect-close.ts';
import { onHardware } from '../../kernels/testing/on-hardware.ts';
import { greedyChoices } from '../../kernels/testing/plain-choices.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { AttentionOptions } from '../api.ts';
import { GpuTokenEngine } from '../gpu-token-engine.ts';
import type { Network } from '../network/network.ts';
import { scoreSteps } from '../network/score.ts';
import type { ModelSource } from '../source/model-source.ts';
import type { TokenEvent } from '../token-engine.ts';
import { DerivedCaches } from './derived-caches.ts';
import { loadModelHashMaps } from './model-hash-maps.ts';
import { derivedSignatures } from './signatures.ts';

type TokenGenerated = Extract<TokenEvent, { kind: 'token' }>;

const everywhere = { sink: 4, window: 8, denseLayers: [], denseBelow: 0 } as const;

/** The newest buffer of each label that the device makes from now on. */
function recordBuffers(device: GPUDevice): Map<string, GPUBuffer> {
  const newest = new Map<string, GPUBuffer>();
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    newest.set(descriptor.label ?? '', buffer);
    return buffer;
  };
  return newest;
}

describe(`switching (seed ${runSeed})`, () => {
  const gpu = withGpu();
  const opened: Network[] = [];
  afterEach(() => {
    for (const network of opened.splice(0)) network.dispose();
  });

  /** A tiny model with random maps of its own beside it. */
  async function openTiny(name: string, random: Random) {
    const files = await readTinyModel(name);
    const config = JSON.parse(new TextDecoder().decode(files.get('config.json'))) as Record<string, number>;
    const shape = {
      ...{ layers: config.num_hidden_layers!, qHeads: config.num_attention_heads! },
      ...{ kvHeads: config.num_key_value_heads!, headDim: config.head_dim! },
    };
    const kind = { sharing: 'kv-head', score: 'asymmetric', queryBits: 4, stages: [32] } as const;
    return open(files.set(...randomHashMaps(random, { ...shape, ...kind }).file));
  }

  async function open(files: Map<string, Uint8Array<ArrayBuffer>>) {
    const source = new MemorySource(files);
    const network = await openNetwork(gpu(), source, { context: 1536 });
    opened.push(network);
    return { network, source, engine: new GpuTokenEngine(gpu(), network) };
  }

  /** Greedy tokens; `before` is asked with their number before each but the first. `stopAfter`: the caller leaves then. */
  async function answer(
    engine: GpuTokenEngine,
    prompt: readonly number[],
    count: number,
    before: (token: number) => AttentionOptions | null,
    stopAfter = count,
  ): Promise<TokenGenerated[]> {
    const events: TokenGenerated[] = [];
    const { signal } = new AbortController();
    const request = {
      prompt,
      maxTokens: count,
      endTokens: [],
      sampling: greedyChoices,
      topLogprobs: 2,
      signal,
    };
    for await (const event of engine.generateTokens(request)) {
      if (event.kind !== 'token') continue;
      events.push(event);
      if (events.length === stopAfter) break;
      const options = before(events.length);
      if (options) engine.setAttention(options);
    }
    return events;
  }

  test('300 tokens under covering budgets are the dense ones', { timeout: 600_000 }, async () => {
    const random = new Random(runSeed);
    const { engine } = await openTiny('mistral-bf16', random);
    const prompt = Array.from({ length: 20 }, () => random.integer(3, 600));
    // other rounding carries a few cached values over to the next half, and moves logits by some 1e-4
    await expectSwitchedAsDense(engine, prompt, 2e-3);
  });

  if (onHardware) {
    test('so they are of the default model', async () => {
      const { engine } = await open(await readDefaultModel());
      const golden = await readTestJson<GreedyGolden[]>('golden/SmolLM2-135M-Instruct-4bit/greedy.json');
      const prompt = golden.find(({ name }) => name === 'python')!.prompt_ids;
      expect(await expectSwitchedAsDense(engine, prompt, logitBound)).toBeGreaterThan(60);
    });
  }

  /** Switches every five tokens. Returns how many tokens were compared: nearer to a tie than `tie` either is right. */
  async function expectSwitchedAsDense(
    engine: GpuTokenEngine,
    prompt: readonly number[],
    tie: number,
  ): Promise<number> {
    const covering: readonly AttentionOptions[] = [
      { mode: 'hash', ...everywhere, budget: { fraction: 1 } },
      { mode: 'streaming', ...everywhere, window: 400 },
      { mode: 'hash', ...everywhere, budget: { tokens: 400 }, tail: 'mean' },
      { mode: 'dense' },
      { mode: 'hash', ...everywhere, budget: { fraction: 1 }, score: 'hamming', denseLayers: [1] },
      { mode: 'oracle', ...everywhere, budget: { fraction: 1 }, tail: 'blocks' },
      { mode: 'hash', ...everywhere, budget: { tokens: 400 }, score: 'hamming', lists: 'query-head' },
      { mode: 'random', ...everywhere, budget: { tokens: 400 } },
      { mode: 'hash', ...everywhere, budget: { fraction: 0 }, denseBelow: 400 },
    ];
    const dense = await answer(engine, prompt, 300, () => null);
    const switched = await answer(engine, prompt, 300, (token) =>
      token % 5 === 0 ? covering[(token / 5) % covering.length]! : null,
    );
    expect(switched.length).toBe(300);
    for (const { contextTokens, attendedTokens } of switched) expect(attendedTokens).toBe(contextTokens - 1);
    const gaps = dense.map(({ logprob }) => logprob!.top[0]!.logprob - logprob!.top[1]!.logprob);
    const first = gaps.findIndex((gap) => gap < tie);
    const certain = first < 0 ? 300 : first;
    expect(switched.slice(0, certain).map(({ token }) => token)).toEqual(
      dense.slice(0, certain).map(({ token }) => token),
    );
    return certain;
  }

  test('after 300 tokens, edits and growth, signatures and sums are those of the cache', {
    timeout: 600_000,
  }, async () => {
    const random = new Random(runSeed + 1);
    const newest = recordBuffers(gpu().device);
    const { engine, network, source } = await openTiny('mistral-bf16', random);
    const words = (count: number) => Array.from({ length: count }, () => random.integer(3, 600));
    const tail = random.integer(0, 1) === 0 ? 'mean' : 'blocks';
    const sparse: AttentionOptions = { mode: 'hash', ...everywhere, budget: { tokens: 12 }, tail };
    const others: readonly AttentionOptions[] = [
      sparse,
      { mode: 'dense' },
      { mode: 'hash', ...everywhere, budget: { fraction: 0.03 }, score: 'hamming', lists: 'query-head' },
      { mode: 'oracle', ...everywhere, budget: { tokens: 9 }, tail: tail === 'mean' ? 'blocks' : 'mean' },
      sparse,
      { mode: 'streaming', ...everywhere },
    ];
    const prompt = words(850);
    const first = await answer(engine, prompt, 150, (token) =>
      token % 3 === 0 ? others[(token / 3) % others.length]! : null,
    );
    expect(network.cache.length).toBe(999);

    // from here on what is kept stays and is mended; dense steps between sparse ones throughout
    engine.setAttention(sparse);
    const swapping = (every: number) => (token: number) =>
      token % every === 0 ? ((token / every) % 2 === 0 ? sparse : ({ mode: 'dense' } as const)) : null;
    const edited = [...prompt, ...idsOf(first)].slice(0, 830);
    edited.push(...words(120));
    const keptBuffers = () => ['signatures', 'block sums'].map((name) => newest.get(`layer[2].${name}`)!);
    let before: GPUBuffer[] = [];
    const second = await answer(
      engine,
      edited,
      60,
      (token) => {
        if (token === 1) before = keptBuffers();
        return swapping(4)(token);
      },
      41, // the reader leaves while steps are on their way
    );
    const continued = [...edited, ...idsOf(second).slice(0, 40), ...words(5)];
    engine.setAttention(sparse);
    await answer(engine, continued, 8, () => null);
    expect(network.cache.length).toBe(995 + 7);
    await expectAsAfresh(network, source, newest);

    network.truncate(998);
    for await (const _ of scoreSteps(network, words(3)));
    await expectAsAfresh(network, source, newest);
    expect(keptBuffers(), 'mended, not made anew').toEqual(before);

    // beyond the end of a block, and of what the cache had room for
    const third = await answer(engine, continued, 100, swapping(7));
    engine.setAttention(sparse);
    await answer(engine, [...continued, ...idsOf(third), ...words(1)], 4, () => null);
    expect(network.cache.length).toBe(995 + 100 + 1 + 3);
    expect(network.cache.capacity).toBe(1536);
    await expectAsAfresh(network, source, newest);
  });

  /** Compares the newest signatures bit for bit with others made from the cache, and block sums with those of its rows. */
  async function expectAsAfresh(
    { config, cache }: Network,
    source: ModelSource,
    newest: ReadonlyMap<string, GPUBuffer>,
  ): Promise<void> {
    const { kvHeads, headDim } = config;
    const { capacity, length } = cache;
    const running = { rope: config.rope, contextLength: capacity };
    const { maps } = await loadModelHashMaps(gpu(), source, config, running);
    const signatures = { ...(await derivedSignatures(gpu(), config, maps)), name: 'signatures afresh' };
    const layers = Array.from({ length: config.layers }, (_, layer) => layer);
    const afresh = new DerivedCaches(gpu(), cache, layers, [signatures]);
    await afresh.catchUp(length);
    const contents = (buffer: GPUBuffer) => readBytes(gpu(), { buffer }, buffer.size);
    for (const layer of layers) {
      const where = `layer ${layer}, ${length} tokens`;
      const ofHeads = async (buffer: GPUBuffer) => {
        const words = new Uint32Array(await contents(buffer));
        return Array.from({ length: kvHeads }, (_, head) => [
          ...words.subarray(head * capacity, head * capacity + length),
        ]);
      };
      const expected = await ofHeads(afresh.tensor(signatures, layer).buffer);
      expect(await ofHeads(newest.get(`layer[${layer}].signatures`)!), where).toEqual(expected);

      const halves = async ({ buffer }: BufferSlice) =>
        Float32Array.from(new Uint16Array(await contents(buffer)), floatFromHalf);
      const { key, value } = cache.layer(layer);
      const { sums, magnitudes } = blockSumsReference({
        ...{ keys: await halves(key), values: await halves(value) },
        ...{ kvHeads, headDim, capacity, length, blockTokens },
      });
      // what is beyond the context is of no meaning: the first token of a block replaces what is there
      const used = Math.ceil(length / blockTokens);
      const blockOf = (i: number) => Math.floor(i / (2 * headDim)) % Math.ceil(capacity / blockTokens);
      const got = new Float32Array(await contents(newest.get(`layer[${layer}].block sums`)!));
      const bound = (i: number) => (blockOf(i) < used ? dotBound(blockTokens, magnitudes[i]!) : Infinity);
      expectClose(got.subarray(0, sums.length), sums, bound, `sums of ${where}`);
    }
    afresh.dispose();
    maps.dispose();
  }
});

function idsOf(events: readonly TokenGenerated[]): number[] {
  return events.map(({ token }) => token);
}
