/** HashAttention inside the network: where it must change nothing, and what it says of itself. */
import { afterEach, describe, expect, test } from 'vitest';
import { greedyRequest } from '../../../test/support/golden.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { MemorySource, readTestFile, readTinyModel } from '../../../test/support/test-files.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { AttentionOptions } from '../api.ts';
import { GpuTokenEngine } from '../gpu-token-engine.ts';
import type { Network } from '../network/network.ts';
import type { TokenEvent } from '../token-engine.ts';

interface TinyGolden {
  readonly prompt_ids: readonly number[];
  readonly tokens: readonly number[];
  readonly top1_top2_gap: readonly number[];
}

/** Four query heads on one KV head; and a KV head for every query head. */
const models = ['llama-bf16-sharded', 'llama-mlx4-g64'];
const everywhere = { mode: 'hash', denseLayers: [], denseBelow: 0, window: 4, sink: 2 } as const;
const covering = { ...everywhere, budget: { fraction: 1 } } as const;

describe.each(models)('HashAttention in %s', (name) => {
  const gpu = withGpu();
  const opened: Network[] = [];
  afterEach(() => {
    for (const network of opened.splice(0)) network.dispose();
  });

  async function open(
    context = 1024,
  ): Promise<{ network: Network; engine: GpuTokenEngine; golden: TinyGolden }> {
    const network = await openNetwork(gpu(), new MemorySource(await readTinyModel(name)), { context });
    opened.push(network);
    const json = await readTestFile(`golden/tiny/${name}.json`);
    const golden = JSON.parse(new TextDecoder().decode(json!)) as TinyGolden;
    return { network, engine: new GpuTokenEngine(gpu(), network), golden };
  }

  /** Greedy tokens, all `count` of them; `switching` is asked before every token. */
  async function answer(
    engine: GpuTokenEngine,
    prompt: readonly number[],
    count: number,
    switching: (token: number) => AttentionOptions | null = () => null,
  ): Promise<Extract<TokenEvent, { kind: 'token' }>[]> {
    const events: Extract<TokenEvent, { kind: 'token' }>[] = [];
    for await (const event of engine.generateTokens(greedyRequest(prompt, count))) {
      if (event.kind !== 'token') continue;
      events.push(event);
      const options = switching(events.length);
      if (options) engine.setAttention(options);
    }
    return events;
  }

  /** The reference's tokens up to its first near tie: 0.03 is what an f16 cache may move a logit by. */
  function expectGolden(events: readonly { token: number }[], golden: TinyGolden): void {
    const tie = golden.top1_top2_gap.findIndex((gap) => gap <= 0.06);
    const certain = Math.min(events.length, tie < 0 ? golden.tokens.length : tie);
    const tokens = events.slice(0, certain).map(({ token }) => token);
    expect(tokens).toEqual(golden.tokens.slice(0, certain));
  }

  for (const [what, options] of [
    ['asymmetric', covering],
    ['asymmetric with tail', { ...covering, tail: 'blocks' }],
    ['hamming', { ...covering, score: 'hamming', budget: { tokens: 4096 } }],
    ['hamming, a list per query head', { ...covering, score: 'hamming', lists: 'query-head' }],
  ] as const) {
    test(`${what}: a budget that covers the context gives the dense answer`, async () => {
      const { engine, golden } = await open();
      engine.setAttention(options);
      const events = await answer(engine, golden.prompt_ids, 32);
      expectGolden(events, golden);
      for (const { contextTokens, attendedTokens } of events) expect(attendedTokens).toBe(contextTokens - 1);
    });
  }

  test('switching every few tokens between dense and a covering budget changes nothing', async () => {
    const { engine, golden } = await open();
    const choices: AttentionOptions[] = [
      covering,
      { mode: 'dense' },
      { ...covering, score: 'hamming', tail: 'mean' },
      { mode: 'dense' },
    ];
    const events = await answer(engine, golden.prompt_ids, 60, (token) =>
      token % 7 === 0 ? choices[Math.floor(token / 7) % choices.length]! : null,
    );
    expect(events.length).toBe(60);
    expectGolden(events, golden);
  });

  test('a small budget attends to as many tokens as it says, from the context where it begins', async () => {
    const { engine, golden } = await open();
    engine.setAttention({ ...everywhere, budget: { tokens: 5 }, denseBelow: 50 });
    const events = await answer(engine, golden.prompt_ids, 20);
    expect(events.length).toBe(20);
    for (const { contextTokens, attendedTokens } of events.slice(1)) {
      const length = contextTokens - 1;
      expect(attendedTokens, `${length} tokens`).toBe(length < 50 ? length : 11);
    }
  });

  test('a planned context of any length will do', async () => {
    const { engine, golden } = await open(163);
    engine.setAttention(covering);
    expectGolden(await answer(engine, golden.prompt_ids, 123), golden);
  });

  test('a prompt may make the cache grow after sparse steps', async () => {
    const options = { ...everywhere, budget: { tokens: 9 }, tail: 'blocks' } as const;
    const [small, large] = [await open(2048), await open(2048)];
    const long = Array.from({ length: 1100 }, (_, i) => (i * 29 + (i % 7)) % 200);
    await answer(large.engine, long, 1);
    const tokens: number[][] = [];
    for (const { engine, golden } of [small, large]) {
      engine.setAttention(options);
      await answer(engine, golden.prompt_ids, 4); // random maps are centred on this prompt
      tokens.push((await answer(engine, long, 8)).map(({ token }) => token));
    }
    expect(tokens[0]!.length).toBe(8);
    expect(tokens[0]).toEqual(tokens[1]);
  });

  test('options that make no sense are refused by name', async () => {
    const { engine, golden } = await open();
    engine.setAttention({ ...everywhere, sink: -1 });
    await expect(answer(engine, golden.prompt_ids, 4)).rejects.toMatchObject({ code: 'invalid-request' });
    engine.setAttention({ ...everywhere, denseLayers: [99] });
    await expect(answer(engine, golden.prompt_ids, 4)).rejects.toThrow(/attention\.denseLayers: expected/);
    engine.setAttention({ mode: 'dense' });
    expectGolden(await answer(engine, golden.prompt_ids, 4), golden);
  });
});
