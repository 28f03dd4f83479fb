import { describe, expect, test, vi } from 'vitest';
import { openNetwork } from '../../../test/support/open-network.ts';
import { MemorySource, readTinyModel } from '../../../test/support/test-files.ts';
import { readF32 } from '../../kernels/runtime/readback.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import { Prefill } from './prefill.ts';

vi.mock('./few-rows.ts', () => {
  throw new TypeError('Failed to fetch dynamically imported module');
});

describe(`prefill without a connection (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test('a prompt that would attend in parts does so at once where that part of the engine cannot be fetched', async () => {
    await expect(import('./few-rows.ts')).rejects.toThrow();
    const network = await openNetwork(gpu(), new MemorySource(await readTinyModel('llama-mlx4-g32')));
    const { config, weights, cache, kernels } = network;
    const random = new Random(runSeed);
    const tokens = Array.from({ length: 50 }, () => random.integer(0, 639));
    const residuals: Float32Array[] = [];
    for (const manyTokens of [Infinity, 30]) {
      const prefill = new Prefill({ ...{ gpu: gpu(), config, weights, cache, kernels }, manyTokens });
      network.truncate(0);
      for await (const _ of prefill.run(tokens.slice(0, 30)));
      for await (const _ of prefill.run(tokens.slice(30)));
      const residual = await readF32(gpu(), prefill.activations!.residual);
      residuals.push(residual.subarray(0, 20 * config.hidden));
      prefill.dispose();
    }
    expect(cache.tokens).toEqual(tokens);
    expect(residuals[1]).toEqual(residuals[0]);
    network.dispose();
  });
});
