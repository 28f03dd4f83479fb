/** What the plan says HashAttention takes, against what it takes. */
import { expect, test } from 'vitest';
import { greedyRequest } from '../../../test/support/golden.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { MemorySource, readDefaultModel, readTinyModel } from '../../../test/support/test-files.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import { parseModelConfig } from '../../model/config.ts';
import { GpuTokenEngine } from '../gpu-token-engine.ts';
import { hashBytesOf, readHashSizes } from './hash-sizes.ts';
import { loadHashMaps, openHashMaps } from './load-hash-maps.ts';

const gpu = withGpu();

test('maps from a file', async () => {
  const files = await readDefaultModel();
  const source = new MemorySource(files);
  const config = parseModelConfig(JSON.parse(new TextDecoder().decode(files.get('config.json'))));
  const maps = await loadHashMaps(gpu(), source, (await openHashMaps(source, config))!);
  const { mapBytes, signatureBytes } = await readHashSizes(source, config, undefined);
  expect(mapBytes).toBe(maps.byteLength);
  expect(signatureBytes).toBe(3 * 4);
  maps.dispose();
});

test('random projections, signatures and sums of a whole context', async () => {
  const source = new MemorySource(await readTinyModel('qwen2-bf16'));
  // the cache begins with room for 1024 tokens: all of the context
  const network = await openNetwork(gpu(), source, { context: 1024 });
  const engine = new GpuTokenEngine(gpu(), network);
  const before = network.memory();
  engine.setAttention({ mode: 'hash', denseLayers: [], denseBelow: 0, tail: 'mean' });
  for await (const _ of engine.generateTokens(greedyRequest([1, 2, 3], 3)));
  const after = network.memory();
  const { config } = network;
  const sizes = await readHashSizes(source, config, undefined);
  expect(after.weightBytes - before.weightBytes).toBe(sizes.mapBytes);
  const taken = after.weightBytes + after.kvCacheBytes - before.weightBytes - before.kvCacheBytes;
  expect(taken).toBe(hashBytesOf(sizes, config, 1024));
  network.dispose();
});
