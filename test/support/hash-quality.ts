/** What each attention policy predicts after 4096 tokens of text, against an independent program: sums of losses, and
 *  losses token by token. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AttentionOptions } from '../../src/engine/api.ts';
import { loadModelHashMaps } from '../../src/engine/attention/model-hash-maps.ts';
import { RowEvaluator } from '../../src/engine/evaluate/row-evaluator.ts';
import type { Network } from '../../src/engine/network/network.ts';
import { scorePrompt, scoreSteps } from '../../src/engine/network/score.ts';
import { withGpu } from '../../src/kernels/testing/with-gpu.ts';
import { negativeLogLikelihood } from './golden.ts';
import { openNetwork } from './open-network.ts';
import { MemorySource, readGoldenModel, readTestJson } from './test-files.ts';

interface Policy {
  readonly window: number;
  readonly selector: keyof typeof policies;
  readonly fraction: number;
  readonly tail: boolean;
  readonly dense_layers: readonly number[];
}

interface Quality {
  readonly ids: Readonly<Record<string, readonly number[]>>;
  readonly rows: readonly (Policy & { readonly nll_sum: number })[];
}

interface Losses {
  readonly rows: readonly (Policy & { readonly nll: readonly number[] })[];
}

const folder = 'golden/SmolLM2-135M-Instruct-4bit';
const promptTokens = 4096;

/** How far a right engine may be: the sum relatively, a token's loss as root mean square. An f16 cache, simulated on
 *  the reference, moves single losses by 0.002 under exact policies, and by up to 0.009 and 0.025 under those whose
 *  lists hang on signs of single values; a forgotten tail moves them by 0.08. */
const exact = { sum: 3e-4, rms: 0.01 };
const shared = { sum: 1.5e-3, rms: 0.03 };
const perQueryHead = { sum: 3e-3, rms: 0.06 };

const policies = {
  dense: { ...exact, options: { mode: 'dense' } },
  oracle: { ...exact, options: { mode: 'oracle' } },
  streaming: { ...exact, options: { mode: 'streaming' } },
  asymmetric: { ...shared, options: { mode: 'hash', score: 'asymmetric' } },
  hamming: { ...shared, options: { mode: 'hash', score: 'hamming' } },
  hamming_per_query_head: {
    ...perQueryHead,
    options: { mode: 'hash', score: 'hamming', lists: 'query-head' },
  },
} as const;

function attentionOf({ selector, fraction, tail, dense_layers }: Policy): AttentionOptions {
  const { options } = policies[selector];
  if (options.mode === 'dense') return options;
  const kind = tail ? 'mean' : 'none';
  const common = { sink: 128, window: 128, tail: kind, denseLayers: dense_layers, denseBelow: 0 } as const;
  return options.mode === 'streaming'
    ? { ...options, ...common }
    : { ...options, ...common, budget: { fraction } };
}

function nameOf({ window, selector, fraction, tail, dense_layers }: Policy): string {
  const dense = dense_layers.length > 0 ? `, layers ${dense_layers} dense` : '';
  return `window ${window}, ${selector}, ${fraction} of the context${tail ? ', tail' : ''}${dense}`;
}

/** The tests of one window of the text. */
export function describeHashQuality(window: 0 | 4): void {
  describe(`after 4096 tokens of text, window ${window}`, () => {
    const gpu = withGpu();
    let network: Network;
    let quality: Quality;
    let golden: Losses;

    beforeAll(async () => {
      network = await openNetwork(gpu(), new MemorySource(await readGoldenModel(), () => 2 ** 20), {
        context: 8192,
      });
      quality = await readTestJson<Quality>(`${folder}/hash_quality.json`);
      golden = await readTestJson<Losses>(`${folder}/hash_tokens.json`);
    });
    afterAll(() => network?.dispose());

    test('the losses are the golden ones under every policy, token by token', {
      timeout: 600_000,
    }, async () => {
      const ids = quality.ids[window]!;
      network.truncate(0);
      for await (const _ of scorePrompt(gpu(), network, ids.slice(0, promptTokens), { from: promptTokens }));
      await compare((policy) => lossesOfSteps(policy, ids));
    });

    test('and so they are in bulk', { timeout: 600_000 }, async () => {
      const ids = quality.ids[window]!;
      const evaluator = await RowEvaluator.create(gpu(), network);
      const maps = await loadModelHashMaps(gpu(), new MemorySource(await readGoldenModel()), network.config, {
        ...{ rope: network.config.rope, contextLength: network.plannedContext },
      });
      await evaluator.read(ids.slice(0, promptTokens), ids.length - promptTokens);
      await compare(async (policy) => {
        const rows = { options: attentionOf(policy), maps };
        const { losses } = await evaluator.score(
          rows,
          ids.slice(promptTokens, -1),
          ids.slice(promptTokens + 1),
        );
        return [...losses];
      });
      evaluator.dispose();
      maps.maps.dispose();
    });

    async function compare(lossesUnder: (policy: Policy) => Promise<number[]>): Promise<void> {
      const faults: string[] = [];
      const rows = quality.rows.filter((row) => row.window === window);
      let comparedByToken = 0;
      for (const row of rows) {
        const losses = await lossesUnder(row);
        const bound = policies[row.selector];
        const sum = losses.reduce((total, loss) => total + loss, 0);
        const error = Math.abs(sum / row.nll_sum - 1);
        const byToken = golden.rows.find((other) => nameOf(other) === nameOf(row));
        const rms = byToken ? rmsDifference(losses, byToken.nll) : 0;
        if (byToken) comparedByToken++;
        const found = `${nameOf(row)}: sum ${sum.toFixed(3)} for ${row.nll_sum.toFixed(3)}, RMS ${rms.toFixed(4)}`;
        if (!(error <= bound.sum) || !(rms <= bound.rms)) faults.push(found);
      }
      expect(rows.length).toBe(8);
      // losses token by token are given for window 4 alone, and for seven of its rows
      expect(comparedByToken).toBe(window === 4 ? 7 : 0);
      expect(faults).toEqual([]);
    }

    /** Of the tokens that follow the prompt, fed one at a time. */
    async function lossesOfSteps(policy: Policy, ids: readonly number[]): Promise<number[]> {
      network.truncate(promptTokens);
      network.setAttention(attentionOf(policy));
      const losses: number[] = [];
      for await (const { first, logits } of scoreSteps(network, ids.slice(promptTokens, -1))) {
        losses.push(negativeLogLikelihood(logits, ids[first + 1]!));
      }
      return losses;
    }
  });
}

function rmsDifference(got: readonly number[], expected: readonly number[]): number {
  if (got.length !== expected.length) throw new Error(`${got.length} losses against ${expected.length}`);
  const squares = got.reduce((sum, loss, i) => sum + (loss - expected[i]!) ** 2, 0);
  return Math.sqrt(squares / got.length);
}
