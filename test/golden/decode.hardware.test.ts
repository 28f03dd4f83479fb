/** The default model's decode steps against transformers, with the products this device takes and with every product by
 *  whole numbers: logits after each token of the reference answers. On a graphics card only: 3584 steps. */
import { describe, expect, test } from 'vitest';
import { scorePrompt, scoreSteps } from '../../src/engine/network/score.ts';
import { withGpu } from '../../src/kernels/testing/with-gpu.ts';
import { argMax, type GreedyGolden, logitBound } from '../support/golden.ts';
import { expectIntegerProducts, withIntegerProducts } from '../support/integer-products.ts';
import { openNetwork } from '../support/open-network.ts';
import { MemorySource, readDefaultModel, readTestJson } from '../support/test-files.ts';

describe('the default model, token by token', () => {
  const gpu = withGpu();

  test.each(['as the device takes them', 'by whole numbers'])(
    'products %s: the logits are the reference logits',
    async (kind) => {
      const device = kind === 'by whole numbers' ? withIntegerProducts(gpu()) : gpu();
      const source = new MemorySource(await readDefaultModel(), () => 2 ** 20);
      const network = await openNetwork(device, source, { context: 4096 });
      if (device !== gpu()) expectIntegerProducts(device, network);
      const prompts = await readTestJson<GreedyGolden[]>('golden/SmolLM2-135M-Instruct-4bit/greedy.json');
      let compared = 0;
      for (const { name, prompt_ids, tokens, top1_top2_gap, top5 } of prompts) {
        network.truncate(0);
        const prompt = prompt_ids.slice(0, -1);
        for await (const _ of scorePrompt(device, network, prompt, { from: prompt.length }));
        const fed = [...prompt_ids.slice(-1), ...tokens.slice(0, -1)];
        for await (const { first, logits } of scoreSteps(network, fed)) {
          const step = first - prompt.length;
          const where = `${name}, step ${step}`;
          for (const [token, logit] of top5[step]!) {
            expect(Math.abs(logits[token]! - logit), `${where}, token ${token}`).toBeLessThan(logitBound);
          }
          if (top1_top2_gap[step]! > logitBound) expect(argMax(logits), where).toBe(tokens[step]);
          compared++;
        }
      }
      expect(compared).toBe(7 * 256);
      network.dispose();
    },
  );
});
