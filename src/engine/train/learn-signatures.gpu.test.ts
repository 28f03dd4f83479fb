/** Signatures learned through the public door: interrupted, gone on with, used, kept and removed. */
import { describe, expect, test } from 'vitest';
import { MemoryStore } from '../../../test/support/memory-store.ts';
import { openNetwork } from '../../../test/support/open-network.ts';
import { randomModel } from '../../../test/support/random-model.ts';
import { MemorySource } from '../../../test/support/test-files.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import type { LearnedMaps } from '../attention/learned-maps.ts';
import { loadModelHashMaps, openModelMaps } from '../attention/model-hash-maps.ts';
import { GpuTokenEngine } from '../gpu-token-engine.ts';
import { readHashSizes } from '../load/hash-sizes.ts';
import { readLearnedFile } from '../source/storage/learned-file.ts';
import { ModelFolder } from '../source/storage/stored-model.ts';
import { bytesOf, collect, errorOf, memoryPlan, scriptedEngine } from '../testing/scripted-engine.ts';
import { TrainCorpus } from './corpus.ts';
import { trainOptions } from './learn-signatures.ts';
import { trainSignatures } from './train-signatures.ts';
import type { TrainEvent } from './train-types.ts';

const context = 384;

/** A device that has been measured already: timing steps is not what is tested. */
class Measured extends Map<string, Promise<null>> {
  override get(): Promise<null> {
    return Promise.resolve(null);
  }
}

describe(`learning signatures (seed ${runSeed})`, () => {
  const gpu = withGpu();

  async function open(folder: ModelFolder | null) {
    const source = new MemorySource(
      randomModel(new Random(runSeed), { layers: 2, qHeads: 2, kvHeads: 1, headDim: 32 }),
    );
    const learned: LearnedMaps = { folder };
    const network = await openNetwork(gpu(), source, {
      context,
      crossovers: new Measured(),
      openHashMaps: () => openModelMaps(gpu(), source, network.config, running(), { learned }),
    });
    const running = () => ({ rope: network.rope, contextLength: context });
    const tokens = new GpuTokenEngine(gpu(), network);
    const parts = { tokens, learned, plan: { ...memoryPlan, contextLength: context } };
    const sizes = () => readHashSizes(Object.assign(source, { folder }), network.config, undefined);
    return { engine: scriptedEngine({ answer: [] }, parts).engine, network, sizes, source, running };
  }

  test('an interrupted training goes on to the same bits; the maps are used at once, kept, and removed', async () => {
    const random = new Random(runSeed + 1);
    const text = [String.fromCharCode(...Array.from({ length: 3000 }, () => random.integer(32, 126)))];
    const store = new MemoryStore();
    const folder = await ModelFolder.of(store, 'url tiny');
    const { engine, network } = await open(folder);
    const request = { text, steps: 4, seed: 7 };
    const events = await collect(engine.trainSignatures(request));
    const steps = events.flatMap((event) => (event.kind === 'step' ? [event.step] : []));
    expect(steps).toEqual([1, 2, 3, 4]);
    const { maps } = last(events, 'finished');

    const options = trainOptions({ steps: 4, longest: context, seed: 7 }, context);
    const corpus = new TrainCorpus(Uint32Array.from(bytesOf(text[0]!)), options);
    const training = { gpu: gpu(), network, rope: network.rope, model: engine.model.name, corpus };
    const early = new AbortController();
    const measured: TrainEvent[] = [];
    const stopped = trainSignatures(training, {
      signal: early.signal,
      onProgress: (event) => {
        measured.push(event);
        early.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect(measured, 'stopped before the first step').toMatchObject([{ kind: 'recall', step: 0 }]);

    const stop = new AbortController();
    const before: TrainEvent[] = [];
    const interrupted = async () => {
      for await (const event of engine.trainSignatures({ ...request, signal: stop.signal })) {
        before.push(event);
        if (event.kind === 'step' && event.step === 2) stop.abort();
      }
    };
    await expect(interrupted()).rejects.toMatchObject({ code: 'aborted' });
    const checkpoint = last(before, 'checkpoint');
    expect(checkpoint.step).toBeLessThan(4);
    const goOn = { ...request, checkpoint: checkpoint.bytes, from: maps };
    const after = await collect(engine.trainSignatures(goOn));
    expect(last(after, 'finished').maps, 'a checkpoint wins over maps').toEqual(maps);

    const further = last(await collect(engine.trainSignatures({ ...request, from: maps })), 'finished').maps;
    expect(further, 'begun from maps').toEqual(await trainSignatures(training, { from: maps }));
    expect(further).not.toEqual(maps);
    const cut = engine.trainSignatures({ ...request, from: maps.slice(0, -2) });
    expect(await errorOf(collect(cut))).toMatchObject({ code: 'file-malformed' });

    // The conversation goes on, with what was learned from the next step on.
    const sparse = { mode: 'hash', sink: 2, window: 4, denseLayers: [], denseBelow: 0 } as const;
    await engine.setAttention({ ...sparse, budget: { tokens: 5 } });
    const prompt = bytesOf('Is anyone there? Anyone at all?');
    const answer = async () => {
      const generated = await collect(engine.generate({ prompt, maxTokens: 8, temperature: 0 }));
      return generated.flatMap((event) => (event.kind === 'token' ? [event] : []));
    };
    expect((await engine.attentionFacts()).maps).toBe('untrained');
    expect((await answer()).at(-1)).toMatchObject({ attendedTokens: 2 + 4 + 5 });
    expect(await engine.useSignatures(maps)).toEqual({ kind: 'browser' });
    expect(await engine.attentionFacts()).toMatchObject({ maps: 'learned', bits: 32, sharing: 'kv-head' });
    const { mapsWarning, layerBudgets } = await engine.attentionFacts();
    expect(mapsWarning).toBeUndefined();
    expect(layerBudgets).toHaveLength(2);
    const listed = layerBudgets!.reduce((sum, share) => sum + Math.floor(5 * share + 1e-6), 0);
    expect((await answer()).at(-1)).toMatchObject({ attendedTokens: Math.round(2 + 4 + listed / 2) });
    const broken = maps.slice(0, -2);
    expect(await errorOf(engine.useSignatures(broken))).toMatchObject({ code: 'file-malformed' });
    expect((await engine.attentionFacts()).maps, 'the ones before stay').toBe('learned');

    const again = await open(folder);
    const { weightBytes } = await again.engine.memory();
    expect((await again.engine.attentionFacts()).maps, 'found in storage').toBe('learned');
    const planned = (await again.sizes()).mapBytes;
    expect(planned, 'counted in the plan').toBe((await again.engine.memory()).weightBytes - weightBytes);
    expect(await again.engine.useSignatures(null)).toEqual({ kind: 'browser' });
    expect((await again.engine.attentionFacts()).maps).toBe('untrained');
    expect(await readLearnedFile(folder)).toBeNull();
    const both = [again.engine.useSignatures(maps), again.engine.useSignatures(null)];
    expect(await Promise.all(both), 'stored one after the other').toEqual(
      both.map(() => ({ kind: 'browser' })),
    );
    expect(await readLearnedFile(folder), 'the last choice').toBeNull();
    expect((await again.sizes()).mapBytes, 'random ones again').not.toBe(planned);

    await again.engine.useSignatures(maps);
    store.quota = 0;
    const failed = await again.engine.useSignatures(null);
    expect(failed, 'a removal that fails says why').toEqual({ kind: 'session', reason: 'no room' });
    store.quota = Number.POSITIVE_INFINITY;
    store.releaseLocks();
    await again.engine.useSignatures(maps);
    const late: LearnedMaps = { folder };
    const loading = loadModelHashMaps(gpu(), again.source, again.network.config, again.running(), {
      learned: late,
    });
    late.bytes = null; // put in use while storage is being read
    const loaded = await loading;
    expect(loaded.origin, 'the newer choice').toBe('untrained');
    expect(late.bytes).toBeNull();
    loaded.maps.dispose();
    again.network.dispose();

    const local = await open(null);
    expect(await local.engine.useSignatures(maps)).toMatchObject({ kind: 'session' });
    expect((await local.engine.attentionFacts()).maps).toBe('learned');
    expect(await local.engine.useSignatures(null), 'nothing returns').toEqual({ kind: 'browser' });
    local.network.dispose();
    network.dispose();
  });
});

function last<K extends TrainEvent['kind']>(events: readonly TrainEvent[], kind: K) {
  const found = events.findLast((event) => event.kind === kind);
  if (!found) throw new Error(`no event ${kind} among ${events.length}`);
  return found as Extract<TrainEvent, { readonly kind: K }>;
}
