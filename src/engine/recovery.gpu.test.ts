/** A device lost in the middle of a sparse answer: the next one goes on with the same attention. */
import { expect, test } from 'vitest';
import { greedyRequest } from '../../test/support/golden.ts';
import { openNetwork } from '../../test/support/open-network.ts';
import { MemorySource, readTestJson, readTinyModel } from '../../test/support/test-files.ts';
import type { Gpu } from '../kernels/runtime/gpu.ts';
import { openTestGpu } from '../kernels/testing/with-gpu.ts';
import { GpuTokenEngine } from './gpu-token-engine.ts';
import { RecoveringTokenEngine } from './recovering-token-engine.ts';

interface TinyGolden {
  readonly prompt_ids: readonly number[];
  readonly tokens: readonly number[];
}

test('the answer goes on, and so does sparse attention', { timeout: 300_000 }, async () => {
  const name = 'llama-mlx4-g64';
  const files = await readTinyModel(name);
  const golden = await readTestJson<TinyGolden>(`golden/tiny/${name}.json`);
  const opened: Gpu[] = [];
  const reopen = async (): Promise<GpuTokenEngine> => {
    const gpu = await openTestGpu();
    opened.push(gpu);
    return new GpuTokenEngine(gpu, await openNetwork(gpu, new MemorySource(files)));
  };
  const statuses: string[] = [];
  const engine = new RecoveringTokenEngine(
    await reopen(),
    { mode: 'dense' },
    { reopen, onStatus: ({ kind }) => statuses.push(kind) },
  );
  engine.setAttention({ mode: 'hash', sink: 4, window: 8, budget: { fraction: 1 }, denseBelow: 0 });

  const tokens: number[] = [];
  const isSparse: boolean[] = [];
  for await (const event of engine.generateTokens(greedyRequest(golden.prompt_ids, 24))) {
    if (event.kind !== 'token') continue;
    tokens.push(event.token);
    // a budget that covers the context reads what dense attention reads, and signatures
    isSparse.push(event.attentionBytes > event.denseAttentionBytes);
    if (tokens.length === 9) opened[0]!.device.destroy();
  }
  expect(tokens).toEqual(golden.tokens.slice(0, 24));
  expect(statuses).toEqual(['recovering', 'ready']);
  expect(opened.length).toBe(2);
  // first tokens follow from a prompt, which is read densely; how many came before the loss was felt may differ
  expect(isSparse[0]).toBe(false);
  expect(isSparse.filter((sparse) => !sparse).length).toBe(2);
  expect(isSparse.slice(-8)).toEqual(new Array(8).fill(true));
  engine.dispose();
});
