/** A device that goes away in the middle of an answer, under sparse attention. */
import { expect, test } from 'vitest';
import { greedyRequest } from '../../test/support/golden.ts';
import { openNetwork } from '../../test/support/open-network.ts';
import { MemorySource, readTinyModel } from '../../test/support/test-files.ts';
import type { Gpu } from '../kernels/runtime/gpu.ts';
import { openTestGpu } from '../kernels/testing/with-gpu.ts';
import type { EngineStatus } from './api.ts';
import type { CrossoverRecord } from './attention/crossover-record.ts';
import { GpuTokenEngine } from './gpu-token-engine.ts';
import { RecoveringTokenEngine } from './recovering-token-engine.ts';

test('options and what was measured outlive the device', async () => {
  const crossovers: CrossoverRecord = new Map();
  const files = await readTinyModel('llama-f32');
  const devices: Gpu[] = [];
  const open = async (): Promise<GpuTokenEngine> => {
    const gpu = await openTestGpu();
    devices.push(gpu);
    const network = await openNetwork(gpu, new MemorySource(files), { context: 512, crossovers });
    return new GpuTokenEngine(gpu, network);
  };
  const statuses: EngineStatus['kind'][] = [];
  const engine = new RecoveringTokenEngine(
    await open(),
    { mode: 'dense' },
    { reopen: open, onStatus: ({ kind }) => statuses.push(kind) },
  );
  engine.setAttention({
    ...{ mode: 'hash', sink: 2, window: 4, budget: { tokens: 5 } },
    ...{ denseLayers: [], denseBelow: 0 },
  });
  const facts = await engine.withNetwork(({ network }) => network.attentionFacts());

  const prompt = Array.from({ length: 40 }, (_, i) => (i * 37) % 256);
  const steps: { n: number; attended: number }[] = [];
  let tokens = 0;
  for await (const event of engine.generateTokens(greedyRequest(prompt, 24))) {
    if (event.kind !== 'token') continue;
    const { contextTokens, attendedTokens } = event;
    // the first token, and the first after the loss, follow from a prompt that is read densely
    if (attendedTokens < contextTokens - 1) steps.push({ n: contextTokens, attended: attendedTokens });
    if (++tokens === 6) devices[0]!.device.destroy();
  }
  expect(tokens).toBe(24);
  expect(statuses).toEqual(['recovering', 'ready']);
  expect(devices.length).toBe(2);
  expect(steps.length).toBe(22);
  for (const { n, attended } of steps) expect(attended, `${n} tokens`).toBe(2 + 5 + 4);

  expect(await engine.withNetwork(({ network }) => network.attentionFacts())).toEqual(facts);
  expect(crossovers.size).toBe(1);
  engine.dispose();
});
