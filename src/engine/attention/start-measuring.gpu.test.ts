/** The crossover measured while a model loads. */
import { describe, expect, test } from 'vitest';
import { randomHashMaps, randomModel } from '../../../test/support/random-model.ts';
import { MemorySource } from '../../../test/support/test-files.ts';
import { Gpu, type GpuTraits } from '../../kernels/runtime/gpu.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import { parseModelConfig } from '../../model/config.ts';
import { hashMapsFile } from '../../model/hash-maps.ts';
import type { AttentionOptions } from '../api.ts';
import { openModel } from '../load/open-model.ts';
import { untrainedShape } from '../load/untrained-hash-maps.ts';
import { KvCache } from '../network/kv-cache.ts';
import { openSession, planSession } from '../open-session.ts';
import type { CrossoverRecord } from './crossover-record.ts';
import { deviceCrossover } from './device-crossover.ts';
import { hashChoices } from './hash-choices.ts';
import { openModelMaps } from './model-hash-maps.ts';
import { SparseAttentions } from './sparse-attentions.ts';

const automatic = { mode: 'hash', sink: 2, window: 4, budget: { tokens: 5 } } as const;
const shape = { layers: 2, qHeads: 2, kvHeads: 1, headDim: 32 };
const contextLength = 300;

/** Has been measured already, whatever is asked, and remembers what was. */
class Asked extends Map<string, Promise<number | null>> {
  readonly asked: string[] = [];
  override get(key: string): Promise<number | null> {
    this.asked.push(key);
    return Promise.resolve(77);
  }
}

/** Where the host does not answer for the maps any more, once `onWait` is set: it is called then. */
class Unanswered extends MemorySource {
  onWait: (() => void) | undefined;
  override async *readRange(
    path: string,
    begin: number,
    end: number,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (this.onWait && path === hashMapsFile) {
      queueMicrotask(this.onWait);
      await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    }
    yield* super.readRange(path, begin, end);
  }
}

describe(`the crossover of a model being loaded (seed ${runSeed})`, () => {
  const gpu = withGpu();
  const random = new Random(runSeed);

  /** What is asked for when a load begins that is then stopped. */
  async function askedByLoad(
    files: MemorySource,
    attention: AttentionOptions,
    traits: Partial<GpuTraits> = {},
  ) {
    const card = { ...gpu().traits, isCpu: false, hasTimestamps: true };
    const device = new Gpu(gpu().device, { ...card, ...traits });
    const model = await openModel(files);
    const options = { model: '', contextLength, attention };
    const crossovers = new Asked();
    const load = openSession(device, model, planSession(device, model, options), {
      ...{ attention, crossovers, signal: AbortSignal.abort() },
    });
    await expect(load).rejects.toMatchObject({ code: 'aborted' });
    return crossovers.asked;
  }

  test.each(['none', 'a file'])('is what the engine asks for later; maps: %s', async (maps) => {
    const files = randomModel(random, shape);
    const ofMaps = { sharing: 'kv-head', score: 'hamming', queryBits: 1, stages: [40, 64] } as const;
    if (maps !== 'none') files.set(...randomHashMaps(random, { ...shape, ...ofMaps }).file);
    const asked = await askedByLoad(new MemorySource(files), automatic);
    expect(asked.length).toBe(1);

    const source = new MemorySource(files);
    const { config } = await openModel(source);
    const cache = await KvCache.create(gpu(), { ...config, plannedContext: contextLength });
    const running = { rope: config.rope, contextLength };
    const crossovers = new Asked();
    const attentions = new SparseAttentions({
      ...{ gpu: gpu(), config, cache, crossovers, plannedContext: contextLength },
      openHashMaps: () => openModelMaps(gpu(), source, config, running),
      onWithout: (error) => expect.fail(error.message),
    });
    const facts = await attentions.facts(automatic);
    expect(facts).toMatchObject({ maps: maps === 'none' ? 'untrained' : 'trained', crossoverTokens: 77 });
    expect(crossovers.asked).toEqual(asked);
    attentions.dispose();
    cache.dispose();
  });

  test('is not measured where attention does not begin by itself, nor on a CPU, nor without a clock of the GPU', async () => {
    const files = new MemorySource(randomModel(random, shape));
    expect(await askedByLoad(files, { mode: 'dense' })).toEqual([]);
    expect(await askedByLoad(files, { mode: 'oracle' })).toEqual([]);
    expect(await askedByLoad(files, { ...automatic, denseBelow: 0 })).toEqual([]);
    expect(await askedByLoad(files, automatic, { isCpu: true })).toEqual([]);
    expect(await askedByLoad(files, automatic, { hasTimestamps: false })).toEqual([]);
  });

  test('a load that is stopped while it waits for the maps ends', { timeout: 10_000 }, async () => {
    const ofMaps = { sharing: 'kv-head', score: 'hamming', queryBits: 1, stages: [64] } as const;
    const files = randomModel(random, shape);
    const source = new Unanswered(files.set(...randomHashMaps(random, { ...shape, ...ofMaps }).file));
    const device = new Gpu(gpu().device, { ...gpu().traits, isCpu: false, hasTimestamps: true });
    const model = await openModel(source);
    const plan = planSession(device, model, { model: '', contextLength, attention: automatic });
    const stop = new AbortController();
    source.onWait = () => stop.abort();
    const load = openSession(device, model, plan, {
      ...{ attention: automatic, crossovers: new Map(), signal: stop.signal },
    });
    await expect(load).rejects.toMatchObject({ code: 'aborted' });
    expect(stop.signal.aborted, 'the maps were asked for').toBe(true);
  });

  test('one measurement serves all who ask meanwhile; a device that is gone, and says nothing, leaves none', async () => {
    const silent = Object.assign(new Gpu(gpu().device, gpu().traits), {
      lost: new Promise((resolve) => setTimeout(() => resolve({ reason: 'unknown', message: 'gone' }), 20)),
      pipelines: { get: () => new Promise(() => undefined) },
    });
    const text = new TextDecoder().decode(randomModel(random, shape).get('config.json'));
    const config = parseModelConfig(JSON.parse(text));
    const parts = {
      ...{ gpu: silent, config, maps: untrainedShape(config, 32), plannedContext: contextLength },
      choices: hashChoices(
        automatic,
        { score: 'hamming', queryBits: 1, sharing: 'kv-head', layerBudgets: null },
        config.layers,
      ),
    };
    const record: CrossoverRecord = new Map();
    const measured = deviceCrossover(record, parts);
    expect(deviceCrossover(record, parts)).toBe(measured);
    expect(record.size).toBe(1);
    await expect(measured).rejects.toThrow('gone');
    expect(record.size).toBe(0);
  });
});
