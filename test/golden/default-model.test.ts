/** The default model against transformers on the same weights. On a CPU adapter a part of it, on a GPU all. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { AttentionOptions } from '../../src/engine/api.ts';
import { GpuTokenEngine } from '../../src/engine/gpu-token-engine.ts';
import type { Network } from '../../src/engine/network/network.ts';
import { scorePrompt, scoreSteps } from '../../src/engine/network/score.ts';
import { withGpu } from '../../src/kernels/testing/with-gpu.ts';
import { type ChatTemplate, parseChatTemplate } from '../../src/model/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts';
import {
  argMax,
  type GreedyGolden,
  greedyRequest,
  logitBound,
  negativeLogLikelihood,
} from '../support/golden.ts';
import { openNetwork } from '../support/open-network.ts';
import { MemorySource, readDefaultModel, readTestFile, readTestJson } from '../support/test-files.ts';

/** An f16 cache moves the sums by 0.005 %. */
const likelihoodBound = 3e-4;

interface NeedleGolden {
  readonly name: string;
  readonly prompt_ids: readonly number[];
  readonly tokens: readonly number[];
  readonly answer: string;
}

/** A text of about 350 tokens with a fact in it, and a question after it. */
interface ShortNeedle {
  readonly prompt: string;
  readonly question: string;
  readonly needle: string;
  readonly answer: string;
}

interface PerplexityGolden {
  readonly windows: readonly { context: number; window: number; nll_sum: number }[];
}

const folder = 'golden/SmolLM2-135M-Instruct-4bit';

/** Last tokens of a needle's prompt: its question. */
const questionTokens = 30;

describe('the default model', () => {
  const gpu = withGpu();
  let network: Network;
  let engine: GpuTokenEngine;
  let tokenizer: Tokenizer;
  let template: ChatTemplate;
  let isWhole: boolean;

  beforeAll(async () => {
    const files = await readDefaultModel();
    network = await openNetwork(gpu(), new MemorySource(files, () => 2 ** 20), { context: 8192 });
    engine = new GpuTokenEngine(gpu(), network);
    const json = (name: string): unknown => JSON.parse(new TextDecoder().decode(files.get(name)));
    const tokenizerConfig = json('tokenizer_config.json');
    tokenizer = createTokenizer(json('tokenizer.json'), tokenizerConfig);
    template = parseChatTemplate({ tokenizerConfig, jinja: null })!;
    isWhole = !gpu().traits.isCpu;
  });
  afterEach(() => network.setAttention({ mode: 'dense' }));
  afterAll(() => network?.dispose());

  async function golden<T>(name: string): Promise<T> {
    return JSON.parse(new TextDecoder().decode((await readTestFile(`${folder}/${name}`))!)) as T;
  }

  test('fed the reference answers, its logits are the reference logits', { timeout: 1_200_000 }, async () => {
    const prompts = await golden<GreedyGolden[]>('greedy.json');
    const steps = isWhole ? 256 : 64;
    let compared = 0;
    for (const prompt of isWhole ? prompts : prompts.slice(0, 5)) {
      network.truncate(0);
      const context = [...prompt.prompt_ids, ...prompt.tokens.slice(0, steps - 1)];
      const from = prompt.prompt_ids.length - 1;
      const { vocab } = network.config;
      for await (const { first, rows, logits } of scorePrompt(gpu(), network, context, { from })) {
        for (let row = 0; row < rows; row++) {
          const step = first + row - from;
          const where = `${prompt.name}, step ${step}`;
          const got = logits.subarray(row * vocab, (row + 1) * vocab);
          for (const [token, logit] of prompt.top5[step]!) {
            expect(Math.abs(got[token]! - logit), `${where}, token ${token}`).toBeLessThan(logitBound);
          }
          if (prompt.top1_top2_gap[step]! > logitBound) expect(argMax(got), where).toBe(prompt.tokens[step]);
          compared++;
        }
      }
    }
    expect(compared).toBe(steps * (isWhole ? 7 : 5));
  });

  test('its greedy answers are the reference answers up to the first near tie', {
    timeout: 600_000,
  }, async () => {
    const prompts = await golden<GreedyGolden[]>('greedy.json');
    const steps = isWhole ? 256 : 32;
    for (const prompt of isWhole ? prompts : prompts.slice(0, 1)) {
      network.truncate(0);
      const tokens = await generate(prompt.prompt_ids, steps);
      const tie = prompt.top1_top2_gap.slice(0, steps).findIndex((gap) => gap <= logitBound);
      const certain = tie < 0 ? steps : tie;
      expect(tokens.length).toBe(steps);
      expect(tokens.slice(0, certain), prompt.name).toEqual(prompt.tokens.slice(0, certain));
    }
  });

  test('it finds the needle in a long prompt, on a graphics card with question and answer sparse as well', {
    timeout: 1_200_000,
  }, async () => {
    const needles = await golden<NeedleGolden[]>('needles.json');
    for (const { name, prompt_ids, tokens, answer } of isWhole ? needles : needles.slice(0, 1)) {
      network.truncate(0);
      const generated = await generate(prompt_ids, tokens.length);
      expect(tokenizer.decode(generated, { skipSpecialTokens: false }), name).toContain(answer);
      if (!isWhole) continue;
      const before = prompt_ids.length - questionTokens;
      network.truncate(before);
      network.setAttention({ mode: 'hash', denseBelow: 0 });
      const sparse = await sparseAnswer(prompt_ids.slice(before), tokens.length);
      expect(sparse, `${name}, ${prompt_ids.length} tokens, sparse`).toContain(answer);
      network.setAttention({ mode: 'dense' });
    }
  });

  test('16 looked-up tokens find a needle that sink and window alone leave behind', {
    timeout: 600_000,
  }, async () => {
    const needle = await readTestJson<ShortNeedle>('needle-350.json');
    const text = template.render([{ role: 'user', content: needle.prompt }]);
    const prompt = tokenizer.encode(text, { addSpecialTokens: false });
    const before = tokenizer.encode(text.slice(0, text.lastIndexOf(needle.question)), {
      addSpecialTokens: false,
    });
    const [sink, window] = [16, 32];
    const needleStart = text.indexOf(needle.needle);
    const tokensBefore = (end: number) =>
      tokenizer.encode(text.slice(0, end), { addSpecialTokens: false }).length;
    expect(tokensBefore(needleStart)).toBeGreaterThan(sink);
    expect(tokensBefore(needleStart + needle.needle.length)).toBeLessThan(before.length - window);

    network.truncate(0);
    for await (const _ of scorePrompt(gpu(), network, before, { from: before.length }));
    const common = { sink, window, denseBelow: 0 };
    const answerUnder = async (options: AttentionOptions): Promise<string> => {
      network.truncate(before.length);
      network.setAttention(options);
      return sparseAnswer(prompt.slice(before.length), 18);
    };
    expect(await answerUnder({ mode: 'hash', ...common, budget: { tokens: 16 } })).toContain(needle.answer);
    expect(await answerUnder({ mode: 'streaming', ...common })).not.toContain(needle.answer);
    if (isWhole) expect(await answerUnder({ mode: 'dense' })).toContain(needle.answer);
  });

  test('its perplexity is the reference perplexity', { timeout: 1_200_000 }, async () => {
    const text = new TextDecoder().decode((await readTestFile('wikitext-2-valid.txt'))!);
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    const { windows } = await golden<PerplexityGolden>('perplexity.json');
    for (const { context, window, nll_sum } of isWhole ? windows : windows.slice(0, 1)) {
      network.truncate(0);
      const tokens = ids.slice(window * context, (window + 1) * context);
      const sum = await likelihoodSum(tokens);
      const where = `window ${window} of ${context}: expected ${nll_sum}, got ${sum}`;
      expect(Math.abs(sum / nll_sum - 1), where).toBeLessThan(likelihoodBound);
    }
  });

  async function generate(prompt: readonly number[], count: number): Promise<number[]> {
    const tokens: number[] = [];
    for await (const event of engine.generateTokens(greedyRequest(prompt, count))) {
      if (event.kind === 'token') tokens.push(event.token);
    }
    return tokens;
  }

  /** Feeds the question one token at a time, as decode steps, then `count` greedy tokens. */
  async function sparseAnswer(question: readonly number[], count: number): Promise<string> {
    const answer: number[] = [];
    for await (const { logits } of scoreSteps(network, question)) answer[0] = argMax(logits);
    while (answer.length < count) {
      for await (const { logits } of scoreSteps(network, answer.slice(-1))) answer.push(argMax(logits));
    }
    return tokenizer.decode(answer, { skipSpecialTokens: true });
  }

  async function likelihoodSum(tokens: readonly number[]): Promise<number> {
    const { vocab } = network.config;
    let sum = 0;
    for await (const { first, rows, logits } of scorePrompt(gpu(), network, tokens)) {
      for (let row = 0; row < rows; row++) {
        const next = tokens[first + row + 1];
        if (next === undefined) continue;
        sum += negativeLogLikelihood(logits.subarray(row * vocab, (row + 1) * vocab), next);
      }
    }
    return sum;
  }
});
