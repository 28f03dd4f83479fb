/** Looking into a step of a tiny model: its figures against plain arithmetic on what is in GPU memory, and no trace left. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { greedyRequest } from '../../../test/support/golden.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { MemorySource, readTinyModel } from '../../../test/support/test-files.ts';
import { attendReference } from '../../kernels/attend/attend.ref.ts';
import { attentionWeightsReference } from '../../kernels/attention-weights/attention-weights.ref.ts';
import { readBytes, readF32 } from '../../kernels/runtime/readback.ts';
import { byteLengthOf, type Tensor } from '../../kernels/runtime/tensor.ts';
import { floatFromHalf } from '../../kernels/shared/half.ts';
import { plainChoices } from '../../kernels/testing/plain-choices.ts';
import { runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { AttentionOptions } from '../api.ts';
import { GpuTokenEngine } from '../gpu-token-engine.ts';
import type { Network } from '../network/network.ts';
import { errorOf } from '../testing/scripted-engine.ts';
import type { ProbedStep, TokenEvent } from '../token-engine.ts';

/** Four query heads on one KV head; and a KV head for every query head. */
const models = ['llama-bf16-sharded', 'llama-mlx4-g64'];
const small = {
  mode: 'hash',
  denseLayers: [0],
  denseBelow: 0,
  window: 6,
  sink: 3,
  budget: { tokens: 7 },
} as const;
const prompt = Array.from({ length: 70 }, (_, i) => (i * 37 + 11) % 200);

const gpu = withGpu();

describe.each(models)('probing %s', (name) => {
  const opened: Network[] = [];
  afterEach(() => {
    for (const network of opened.splice(0)) network.dispose();
  });

  async function open(attention: AttentionOptions) {
    const network = await openNetwork(gpu(), new MemorySource(await readTinyModel(name)), { context: 2048 });
    opened.push(network);
    const engine = new GpuTokenEngine(gpu(), network);
    engine.setAttention(attention);
    return { network, engine };
  }

  async function answer(
    engine: GpuTokenEngine,
    context: readonly number[],
    count: number,
  ): Promise<number[]> {
    const tokens: number[] = [];
    for await (const event of engine.generateTokens(greedyRequest(context, count))) {
      if (event.kind === 'token') tokens.push(event.token);
    }
    return tokens;
  }

  async function halvesOf(tensor: Tensor): Promise<Float64Array> {
    const bytes = await readBytes(gpu(), tensor, byteLengthOf(tensor.dtype, tensor.shape));
    return Float64Array.from(new Uint16Array(bytes), floatFromHalf);
  }

  for (const [what, options] of [
    ['a list per KV head', { ...small, tail: 'none' }],
    ['a list per query head', { ...small, tail: 'none', score: 'hamming', lists: 'query-head' }],
  ] as const) {
    test(`${what}: figures of the last layer equal arithmetic on its query, keys and values`, async () => {
      const { network, engine } = await open(options);
      await answer(engine, prompt, 9);
      const { position, tokens, layers } = await engine.probe({});
      expect(tokens.slice(0, prompt.length)).toEqual(prompt);
      expect(tokens.length).toBe(prompt.length + 8); // the last token chosen has not been processed
      expect(position).toBe(tokens.length - 1);
      expect(layers[0]).toEqual({
        isDense: true,
        sinkEnd: 0,
        windowStart: 0,
        lists: [],
        heads: Array.from({ length: network.config.qHeads }, () => ({ mass: 1, outputError: 0 })),
      });

      const { qHeads, kvHeads, headDim, layers: count } = network.config;
      const probed = layers[count - 1]!;
      const length = position + 1;
      expect(probed).toMatchObject({ isDense: false, sinkEnd: 3, windowStart: length - 6 });
      expect(probed.lists.length).toBe(options.tail === 'none' && 'lists' in options ? qHeads : kvHeads);
      const { key, value } = network.cache.layer(count - 1);
      // The layer's query is still where the step left it, and the cache holds what the answer's own step had written.
      const input = {
        query: await readF32(gpu(), network.act.query),
        keys: await halvesOf(key),
        ...{ qHeads, kvHeads, headDim, capacity: network.cache.capacity },
      };
      const { weights } = attentionWeightsReference({ ...input, length });
      const values = await halvesOf(value);
      const everything = Array.from({ length }, (_, token) => token);
      const dense = attendReference({ ...input, values, tokens: everything }).out;
      const perList = qHeads / probed.lists.length;
      // A weight's relative error is about (headDim + 30) · |score| · 2⁻²⁴ < 1e-4 here, and an output's the same.
      probed.heads.forEach(({ mass, outputError }, head) => {
        const list = new Set(probed.lists[Math.floor(head / perList)]!.tokens);
        expect(list.size).toBe(7);
        const attended = everything.filter((token) => token < 3 || token >= length - 6 || list.has(token));
        expect(attended.length).toBe(3 + 6 + 7);
        const caught = attended.reduce((sum, token) => sum + weights[head * length + token]!, 0);
        expect(mass).toBeCloseTo(caught, 4);
        const sparse = attendReference({ ...input, values, tokens: attended }).out;
        const own = (from: Float64Array) => from.subarray(head * headDim, (head + 1) * headDim);
        const difference = own(sparse).map((x, i) => x - own(dense)[i]!);
        expect(outputError).toBeCloseTo(Math.hypot(...difference) / Math.hypot(...own(dense)), 3);
      });
      probed.lists.forEach(({ tokens: chosen, recall }, list) => {
        const scoreOf = (token: number): number =>
          everything
            .slice(0, perList)
            .reduce((sum, i) => sum + weights[(list * perList + i) * length + token]!, 0);
        const ranked = everything.slice(3, length - 6).sort((a, b) => scoreOf(b) - scoreOf(a));
        const found = ranked.slice(0, 7).filter((token) => chosen.includes(token)).length;
        expect(recall).toBeCloseTo(found / 7, 10);
      });
    });
  }

  test('a budget that covers the context catches everything', async () => {
    const { engine } = await open({ ...small, denseLayers: [], budget: { fraction: 1 }, tail: 'blocks' });
    await answer(engine, prompt, 5);
    const { layers, position } = await engine.probe({});
    for (const { isDense, lists, heads, windowStart } of layers) {
      expect(isDense).toBe(false);
      expect(windowStart).toBe(position + 1 - 6);
      for (const { tokens, recall } of lists) {
        expect(recall).toBe(1);
        expect([...tokens]).toEqual(Array.from({ length: windowStart - 3 }, (_, i) => i + 3));
      }
      for (const { mass, outputError } of heads) {
        expect(Math.abs(mass - 1)).toBeLessThan(1e-5);
        expect(outputError).toBeLessThan(1e-4);
      }
    }
  });

  test.each(['mean', 'blocks'] as const)(
    'says the same every time: tail %s counts the token once',
    async (tail) => {
      const { engine } = await open({ ...small, denseLayers: [], tail });
      await answer(engine, prompt, 5);
      const first = await engine.probe({});
      expect(first.layers[1]!.heads.some(({ outputError }) => outputError > 1e-3)).toBe(true);
      for (const position of [first.position, 20, first.position]) {
        const again = await engine.probe({ position });
        if (position === first.position) expect(again).toEqual(first);
      }
    },
  );

  test('the oracle recalls everything, a window nothing, and chance little', async () => {
    const ranges = { denseLayers: [], tail: 'none', sink: 3, window: 6 } as const;
    const { engine } = await open({ mode: 'oracle', ...ranges, budget: { tokens: 7 } });
    await answer(engine, prompt, 3);
    const recalls = async () =>
      (await engine.probe({})).layers.flatMap(({ lists }) => lists.map(({ recall }) => recall));
    for (const recall of await recalls()) expect(recall).toBe(1);
    engine.setAttention({ mode: 'random', ...ranges, budget: { tokens: 7 } });
    const random = await recalls();
    expect(random.reduce((a: number, b) => a + b!, 0) / random.length).toBeLessThan(0.5); // 7 of 63 by chance
    engine.setAttention({ mode: 'streaming', ...ranges });
    for (const recall of await recalls()) expect(recall).toBe(null);
  });

  test('leaves no trace: cache, and what is answered next with small budgets and tail', async () => {
    const options = { ...small, denseLayers: [], tail: 'blocks' } as const;
    const [plain, probed] = [await open(options), await open(options)];
    const first = await answer(plain.engine, prompt, 12);
    expect(await answer(probed.engine, prompt, 12)).toEqual(first);
    const sides = (network: Network) =>
      Array.from({ length: network.config.layers }, (_, i) => Object.values(network.cache.layer(i))).flat();
    const before = await Promise.all(sides(probed.network).map(halvesOf));
    const switched: readonly AttentionOptions[] = [options, { mode: 'dense' }, { ...options, sink: 9 }];
    for (const [i, attention] of switched.entries()) {
      probed.engine.setAttention(attention);
      for (const position of [0, 3, 40 + i, prompt.length + 5]) {
        const step = await probed.engine.probe({ position });
        expect(step.position).toBe(position);
        expect(step.tokens).toEqual([...prompt, ...first.slice(0, -1)]);
      }
    }
    probed.engine.setAttention(options);
    expect(await Promise.all(sides(probed.network).map(halvesOf))).toEqual(before);
    const next = [...prompt, ...first, 5, 9];
    expect(await answer(probed.engine, next, 20)).toEqual(await answer(plain.engine, next, 20));
  });

  test(`within an answer: it goes on to the bit, and its context so far is what is looked into (seed ${runSeed})`, async () => {
    const options = { ...small, denseLayers: [], tail: 'blocks' } as const;
    const [plain, probed] = [await open(options), await open(options)];
    const sampling = { ...plainChoices, temperature: 1, frequencyPenalty: 0.5, seed: runSeed };
    const request = { ...greedyRequest(prompt, 60), sampling, topLogprobs: 2 };
    const expected: TokenEvent[] = [];
    for await (const event of plain.engine.generateTokens(request)) expected.push(event);

    const got: TokenEvent[] = [];
    const steps: { readonly step: Promise<ProbedStep>; readonly read: number }[] = [];
    const givenUp = new AbortController();
    let reading: Promise<ProbedStep> | undefined;
    let abandoned: Promise<unknown> | undefined;
    for await (const event of probed.engine.generateTokens(request)) {
      got.push(event);
      if (event.kind === 'prefill') {
        reading ??= probed.engine.probe({});
        await reading; // its progress is not asked for while somebody waits for a look
        continue;
      }
      const read = event.contextTokens - 1;
      if (read % 8 > 0) continue;
      const step = probed.engine.probe(read % 16 === 0 ? {} : { position: read - 40 });
      steps.push({ step, read });
      if (read === 96) await step; // an answer that nobody asks to go on does not hold up the look
      if (read !== 104) continue;
      abandoned = errorOf(probed.engine.probe({ signal: givenUp.signal }));
      void step.then(() => setTimeout(() => givenUp.abort(), 2));
    }
    expect(got).toEqual(expected);
    expect(await abandoned).toMatchObject({ code: 'aborted' });
    const whole = [...prompt, ...got.flatMap((event) => (event.kind === 'token' ? [event.token] : []))];
    expect((await reading)?.tokens.slice(0, prompt.length)).toEqual(prompt);
    expect(steps.length).toBe(8); // at 72, 80, … 128
    for (const { step, read } of steps) {
      const { position, tokens } = await step;
      expect(tokens).toEqual(whole.slice(0, tokens.length));
      expect(tokens.length).toBeGreaterThanOrEqual(read);
      expect(position).toBe(read % 16 === 0 ? tokens.length - 1 : read - 40);
    }
  });

  test('an answer does not wait until it is known why a look into it failed', async () => {
    const { engine } = await open(small);
    await answer(engine, prompt, 2);
    await engine.probe({});
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    try {
      let refused: Promise<unknown> | undefined;
      let tokens = 0;
      for await (const event of engine.generateTokens(greedyRequest(prompt, 60))) {
        if (event.kind === 'token') tokens++;
        if (tokens === 1) refused ??= errorOf(engine.probe({ position: prompt.length + 60 }));
      }
      expect(tokens).toBe(60);
      await vi.advanceTimersByTimeAsync(1000);
      expect(await refused).toMatchObject({ code: 'invalid-request' });
    } finally {
      vi.useRealTimers();
    }
  });

  test('refuses positions outside the context, and an empty one; stops between layers', async () => {
    const { engine, network } = await open(small);
    await expect(engine.probe({})).rejects.toMatchObject({ code: 'invalid-request' });
    await answer(engine, prompt, 3);
    for (const position of [-1, 1.5, prompt.length + 2]) {
      await expect(engine.probe({ position })).rejects.toThrow(/position must be an integer from 0 to 71/);
    }
    await expect(engine.probe({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    expect(network.cache.length).toBe(prompt.length + 2);
  });
});
