import { describe, expect, test } from 'vitest';
import { Arena, bufferUsage } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, submitDispatches } from '../runtime/dispatch.ts';
import { readBytes, readF32, readU32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { greedyChoices, plainChoices } from '../testing/plain-choices.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import randomSource from './random.wgsl?raw';
import { parseResultRecord, type ResultRecord, recordBytes } from './result-record.ts';
import {
  adjustReference,
  distancesReference,
  drawReference,
  greedyReference,
  longestDistance,
  recordReference,
  uniformReference,
} from './sample.ref.ts';
import { prepareSampler, type SamplerBuffers } from './sampler.ts';
import { packHistory, packLogitBias, packSamplingParams, type SamplingChoices } from './sampling-params.ts';

// Default limits: eight storage buffers to a stage, 16 KiB of workgroup memory.
const gpu = withGpu({ baseline: true });

interface Run {
  readonly records: readonly ResultRecord[];
  readonly adjusted: Float32Array;
  readonly history: Uint32Array;
  readonly tokens: Uint32Array;
  readonly step: Uint32Array;
}

type Variant = 'workgroup' | 'serial';
const variants: readonly Variant[] = ['workgroup', 'serial'];

interface RunOptions {
  readonly variant: Variant;
  readonly choices: SamplingChoices;
  readonly steps?: number;
  readonly prompt?: readonly number[];
  readonly topLogprobs?: number | null;
  readonly ringSlots?: number;
  readonly firstStep?: readonly [position: number, rows: number, index: number, flags: number];
}

/** Replays the list that fits the temperature `steps` times over unchanging logits, in one submit. */
async function run(logits: Float32Array<ArrayBuffer>, options: RunOptions): Promise<Run> {
  const { choices, variant, steps = 1, topLogprobs = null, ringSlots = 64 } = options;
  const vocab = logits.length;
  const arena = new Arena(gpu());
  const sampler = await prepareSampler(gpu(), { vocab, ringSlots, variant });
  const buffers: SamplerBuffers = sampler.createBuffers(arena);
  const { queue } = gpu().device;
  queue.writeBuffer(buffers.params.buffer, 0, packSamplingParams(choices, topLogprobs));
  queue.writeBuffer(buffers.bias.buffer, 0, packLogitBias(choices.logitBias, vocab));
  queue.writeBuffer(buffers.history.buffer, 0, packHistory(options.prompt ?? [], vocab));
  const stepUsage = bufferUsage.uniform | bufferUsage.storage | bufferUsage.copyDst | bufferUsage.copySrc;
  const step = { buffer: arena.buffer('step', 16, stepUsage) };
  queue.writeBuffer(step.buffer, 0, Uint32Array.from(options.firstStep ?? [0, 1, 0, 0]));
  const tokens = arena.tensorFrom('tokens', 'u32', [2], Uint32Array.of(7, 7));
  const bindings = { logits: arena.tensorFrom('logits', 'f32', [vocab], logits), tokens, step };
  const list: Dispatch[] =
    choices.temperature === 0
      ? sampler.greedyList(arena, bindings, buffers)
      : sampler.sampledList(arena, bindings, buffers);
  submitDispatches(gpu(), Array.from({ length: steps }, () => list).flat());
  const results = await readBytes(gpu(), buffers.results, ringSlots * recordBytes);
  const first = options.firstStep?.[2] ?? 0;
  const result = {
    records: Array.from({ length: Math.min(steps, ringSlots) }, (_, i) => {
      const index = first + Math.max(0, steps - ringSlots) + i;
      return parseResultRecord(results, (index % ringSlots) * recordBytes);
    }),
    adjusted: await readF32(gpu(), buffers.adjusted),
    history: await readU32(gpu(), buffers.history),
    tokens: await readU32(gpu(), tokens),
    step: new Uint32Array(await readBytes(gpu(), step, 16)),
  };
  arena.dispose();
  return result;
}

/** Sizes around the chunk of 2048, and one of a real vocabulary. */
const sizes = [1, 2, 255, 2047, 2048, 2049, 4103, 49152];

describe.each(variants)(`sampler, %s, greedy (seed ${runSeed})`, (variant) => {
  test.each(sizes)('the largest logit, the lowest id of equal ones, of %i', async (vocab) => {
    const random = new Random(runSeed + vocab);
    const logits = random.normals(vocab, 10 ** random.integer(-3, 4));
    const peak = Math.max(...logits);
    const ties = [random.integer(0, vocab - 1), random.integer(0, vocab - 1), random.integer(0, vocab - 1)];
    for (const id of ties) logits[id] = peak;
    const { records } = await run(logits, { choices: greedyChoices, variant });
    expect(records).toEqual([{ token: greedyReference(logits), logprob: null, top: [] }]);
  });

  test('a vocabulary of the largest size, the answer in its last place', async () => {
    const vocab = 256 * 2048;
    const logits = new Float32Array(vocab).fill(-3e38);
    logits[vocab - 1] = -2.9e30;
    const { records } = await run(logits, { choices: greedyChoices, variant });
    // Adjusted logits are clamped to ±1e30, so these are all ties: the lowest id wins.
    expect(records[0]!.token).toBe(0);
    logits[vocab - 1] = -9e29;
    const second = await run(logits, { choices: greedyChoices, variant });
    expect(second.records[0]!.token).toBe(vocab - 1);
  });

  test('adjusts by bias, penalties and history, within rounding', async () => {
    const random = new Random(runSeed);
    const vocab = 3001;
    const logits = random.normals(vocab, 5);
    const prompt = Array.from({ length: 400 }, () => random.integer(0, vocab - 1));
    const logitBias = Object.fromEntries(
      Array.from({ length: 300 }, () => [random.integer(0, vocab - 1), 20 * random.normal()]),
    );
    const choices = {
      ...plainChoices,
      temperature: 0.05 + 2 * random.next(),
      repetitionPenalty: 0.5 + random.next(),
      frequencyPenalty: random.normal(),
      presencePenalty: random.normal(),
      logitBias,
      seed: runSeed,
    };
    const steps = 40;
    const { adjusted, history, records } = await run(logits, { choices, prompt, steps, variant });
    const counts = packHistory(prompt, vocab);
    for (const { token } of records) counts[token]!++;
    expect(history).toEqual(counts);
    // `adjusted` was made before the last token was counted.
    counts[records.at(-1)!.token]!--;
    const expected = adjustReference(logits, counts, choices);
    // Every intermediate value is at most this sum; one rounding each for bias, product or quotient (2.5 ULP = 5u),
    // two for the frequency, one for the presence, two for the temperature and its inverse.
    const bound = (id: number): number => {
      const { repetitionPenalty: r, frequencyPenalty, presencePenalty, temperature } = choices;
      const raw = Math.abs(logits[id]!) + Math.abs(logitBias[id] ?? 0);
      const size = raw * Math.max(r, 1 / r) + Math.abs(frequencyPenalty) * steps + Math.abs(presencePenalty);
      return (12 * unitF32 * size) / temperature + 1e-30;
    };
    expectClose(adjusted, expected, bound, 'adjusted logits');
  });

  test('penalties move a greedy answer on: every token is the best given those before it', async () => {
    const random = new Random(runSeed + 1);
    const vocab = 500;
    const logits = random.normals(vocab, 2);
    const prompt = [3, 1, 4, 1, 5];
    const choices = {
      ...plainChoices,
      temperature: 0,
      repetitionPenalty: 1.3,
      frequencyPenalty: 0.4,
      presencePenalty: 0.2,
    };
    const { records } = await run(logits, { choices, prompt, steps: 60, variant });
    const history = packHistory(prompt, vocab);
    for (const { token } of records) {
      const adjusted = adjustReference(logits, history, choices);
      const shortfall = adjusted[greedyReference(adjusted)]! - adjusted[token]!;
      expect(shortfall).toBeLessThan(20 * unitF32 * 40);
      history[token]!++;
    }
    expect(new Set(records.map(({ token }) => token)).size).toBeGreaterThan(3);
  });
});

test.each([
  { topP: 0 },
  { topK: -1 },
  { minP: 1.5 },
  { temperature: Number.NaN },
  { repetitionPenalty: 0 },
  { seed: 0.5 },
])('choices out of range are refused: %o', (wrong) => {
  expect(() => packSamplingParams({ ...plainChoices, ...wrong })).toThrow(Object.keys(wrong)[0]);
});

describe.each(variants)(`sampler, %s, state (seed ${runSeed})`, (variant) => {
  test.each([0, 0.7])(
    'temperature %d: token, step and ring move on, nothing else does',
    async (temperature) => {
      const logits = new Random(runSeed + 2).normals(300, 3);
      const ringSlots = 8;
      const firstStep = [41, 1, 5, 9] as const;
      const options = {
        choices: { ...plainChoices, temperature, seed: 12 },
        steps: 11,
        ringSlots,
        firstStep,
        variant,
      };
      const { records, tokens, step, history } = await run(logits, options);
      expect([...step]).toEqual([52, 1, 16, 9]);
      expect(records).toHaveLength(8);
      expect([...tokens]).toEqual([records.at(-1)!.token, 7]);
      expect(history.reduce((sum, count) => sum + count, 0)).toBe(11);
      for (const { token } of records) expect(history[token]).toBeGreaterThan(0);
    },
  );

  test('the same seed gives the same tokens, another seed others', async () => {
    const logits = new Random(runSeed + 3).normals(5000);
    const choices = { ...plainChoices, topP: 0.9, seed: runSeed };
    const tokens = async (seed: number): Promise<number[]> =>
      (await run(logits, { choices: { ...choices, seed }, steps: 30, variant })).records.map(
        ({ token }) => token,
      );
    const once = await tokens(runSeed);
    expect(await tokens(runSeed)).toEqual(once);
    expect(await tokens(runSeed + 1)).not.toEqual(once);
    expect(await tokens(runSeed + 2 ** 32)).not.toEqual(once);
  });
});

test.each(variants)('%s: logits that are no numbers do not stop the GPU', async (variant) => {
  for (const vocab of [5, 3000]) {
    const some = new Random(runSeed).normals(vocab);
    some.fill(Number.NaN, 2, vocab - 1);
    for (const logits of [some, new Float32Array(vocab).fill(Number.NaN)]) {
      const choices = { ...plainChoices, topK: 3, topP: 0.9, seed: runSeed };
      const { step } = await run(logits, { choices, variant, steps: 2 });
      expect([...step]).toEqual([2, 1, 2, 0]);
    }
  }
});

describe.each(variants)(`sampler, %s, log-probabilities (seed ${runSeed})`, (variant) => {
  test.each([
    { vocab: 1, asked: 3 },
    { vocab: 12, asked: 20 },
    { vocab: 2049, asked: 0 },
    { vocab: 10000, asked: 20 },
  ])('of the model itself, $asked of $vocab', async ({ vocab, asked }) => {
    const random = new Random(runSeed + vocab);
    const logits = random.normals(vocab, 4);
    for (let i = 0; i < vocab / 4; i++) logits[random.integer(0, vocab - 1)] = logits[0]!; // ties
    if (vocab > 2) logits[2] = -3e38;
    const choices = {
      ...plainChoices,
      temperature: 0.5,
      presencePenalty: 1,
      logitBias: { 0: 2 },
      seed: runSeed,
    };
    const { records } = await run(logits, { choices, topLogprobs: asked, steps: 3, variant });
    for (const record of records) {
      const expected = recordReference(logits, record.token, asked);
      expect(record.top.map(({ token }) => token)).toEqual(expected.top.map(({ token }) => token));
      const got = [record.logprob!, ...record.top.map(({ logprob }) => logprob)];
      const want = [expected.logprob!, ...expected.top.map(({ logprob }) => logprob)];
      // The sum of exp is off relatively by exp (3 + 2·d ULP, d weighted by e^-d: under 40u) and about 30 roundings;
      // its logarithm by that much, and by 2^-21 itself where WGSL allows it; two roundings of the result.
      expectClose(got, want, (i) => 128 * unitF32 + 4 * unitF32 * Math.abs(want[i]!), 'log-probabilities');
    }
  });
});

test(`the GPU's random numbers are the reference's, bit for bit (seed ${runSeed})`, async () => {
  const random = new Random(runSeed);
  const probe = defineKernel({
    name: 'uniform-at-for-test',
    sources: [
      randomSource,
      `struct Dims { seedLow: u32, seedHigh: u32 }
       @group(0) @binding(0) var<uniform> dims: Dims;
       @group(0) @binding(1) var<storage, read_write> out: array<f32>;
       @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
         out[id.x] = uniformAt(dims.seedLow, dims.seedHigh, id.x);
       }`,
    ],
    bindings: { out: 'write' },
    uniforms: { seedLow: 'u32', seedHigh: 'u32' },
  });
  const kernel = await prepareKernel(gpu(), probe);
  for (const seed of [0, 1, 2 ** 32 - 1, Math.floor(random.next() * Number.MAX_SAFE_INTEGER)]) {
    const arena = new Arena(gpu());
    const out = arena.tensor('out', 'f32', [4096]);
    const uniforms = { seedLow: seed % 2 ** 32, seedHigh: Math.floor(seed / 2 ** 32) };
    submitDispatches(gpu(), [
      kernel.dispatch(arena, { label: 'uniforms', bindings: { out }, uniforms, workgroups: [64] }),
    ]);
    expect(await readF32(gpu(), out)).toEqual(
      Float32Array.from({ length: 4096 }, (_, index) => uniformReference(seed, index)),
    );
    arena.dispose();
  }
});

/** Fails unless one cut, the specification's or one moved by rounding, explains every token, each with a random number
 *  moved by rounding at most. */
function expectDraws(
  records: readonly ResultRecord[],
  distances: Float32Array,
  choices: SamplingChoices,
): void {
  const slack = sumSlack(distances);
  const cuts = [0, -slack, slack].map((shift) =>
    longestDistance(distances, {
      ...choices,
      topP: choices.topP < 1 ? Math.min(1 - 1e-12, choices.topP * (1 + shift)) : 1,
      minP: choices.minP * (1 - shift),
    }),
  );
  const unexplained = [...new Set(cuts)].map((longest) =>
    records.flatMap(({ token }, index) => {
      const number = uniformReference(choices.seed, index);
      const explained = [0, -slack, slack].some(
        (shift) => drawReference(distances, longest, number + shift) === token,
      );
      const expected = drawReference(distances, longest, number);
      return explained ? [] : [`step ${index} at ${number}: drew ${token}, expected ${expected}`];
    }),
  );
  if (unexplained.some((faults) => faults.length === 0)) return;
  throw new Error(`${JSON.stringify(choices)}, slack ${slack}:\n${unexplained[0]!.slice(0, 5).join('\n')}`);
}

/** Relative error of any sum of weights: exp (3 + 2·d ULP of 2u, weighted by e^-d); fixed point (2^-25 of the largest
 *  weight, for each token of a class that reaches down to 3/4 of it, for each of 32 lanes of a chunk); and fewer than
 *  128 roundings in sums of sums. Twice, as two sums are compared. */
function sumSlack(distances: Float32Array): number {
  let total = 0;
  let error = 0;
  for (const distance of distances) {
    total += Math.exp(-distance);
    error += Math.exp(-distance) * (3 + 2 * distance) * 2 * unitF32;
  }
  return 2 * (error / total + 32 * 2 ** -25 + 128 * unitF32);
}

type MakeLogits = (random: Random, vocab: number) => Float32Array<ArrayBuffer>;

const distributions: Record<string, MakeLogits> = {
  normal: (random, vocab) => random.normals(vocab, 3),
  flat: (random, vocab) => random.normals(vocab, 1e-3),
  equal: (_, vocab) => new Float32Array(vocab).fill(2.5),
  huge: (random, vocab) => random.normals(vocab, 1e4),
  peaked: (random, vocab) => {
    const logits = random.normals(vocab);
    logits[random.integer(0, vocab - 1)] = 60;
    return logits;
  },
  masked: (random, vocab) => random.normals(vocab, 2).map((x) => (random.next() < 0.7 ? -3e38 : x)),
  grid: (random, vocab) => random.normals(vocab, 8).map((x) => Math.round(x) / 4),
};

describe(`sampler, draws (seed ${runSeed})`, () => {
  // Barriers make the workgroup variant slow where these tests usually run: fewer rounds.
  for (const [variant, rounds, steps] of [
    ['serial', 10, 64],
    ['workgroup', 4, 16],
  ] as const) {
    for (const [name, makeLogits] of Object.entries(distributions)) {
      test(`${variant}: from ${name} logits, the reference's tokens up to rounding at a boundary`, async () => {
        const random = new Random(runSeed + name.length);
        for (let round = 0; round < rounds; round++) {
          const vocab = random.integer(1, round % 2 ? 6000 : 40);
          const choices = randomChoices(random, vocab);
          const logits = makeLogits(random, vocab);
          const { records, adjusted } = await run(logits, { choices, steps, variant });
          expectDraws(records, distancesReference(adjusted), choices);
        }
      });
    }

    test(`${variant}: from a real vocabulary, with every cut`, async () => {
      const logits = new Random(runSeed + 99).normals(49152, 2.5);
      for (const cuts of [{}, { topK: 40, topP: 0.95 }, { topP: 0.99 }, { topK: 30000, minP: 1e-5 }]) {
        const choices = { ...plainChoices, ...cuts, temperature: 0.8, seed: runSeed };
        const { records, adjusted } = await run(logits, {
          choices,
          steps: variant === 'serial' ? 8 : 1,
          variant,
        });
        expectDraws(records, distancesReference(adjusted), choices);
      }
    });
  }
});

function randomChoices(random: Random, vocab: number): SamplingChoices {
  const oneOf = (values: readonly number[]): number => values[random.integer(0, values.length - 1)]!;
  return {
    ...plainChoices,
    temperature: oneOf([1, 0.7, 0.01, 1e-6, 1.9]),
    topK: oneOf([0, 0, 1, 5, 50, vocab, 100000, random.integer(1, vocab)]),
    topP: oneOf([1, 1, 0.9, 0.5, 1e-9, 0.999999, random.next() || 1]),
    minP: oneOf([0, 0, 0.05, 1, random.next()]),
    seed: Math.floor(random.next() * Number.MAX_SAFE_INTEGER),
  };
}

test(`the reference draws in proportion to the weights (seed ${runSeed})`, () => {
  const weights = [0.5, 0.2, 0.1, 0.1, 0.06, 0.03, 0.01];
  const distances = Float32Array.from(weights, (weight) => Math.log(0.5 / weight));
  const draws = 40_000;
  const counts = weights.map(() => 0);
  for (let index = 0; index < draws; index++) {
    counts[drawReference(distances, 100, uniformReference(runSeed, index))]!++;
  }
  const chiSquare = weights.reduce((sum, p, i) => sum + (counts[i]! - p * draws) ** 2 / (p * draws), 0);
  // 6 degrees of freedom: above 42.7 in one run of ten million.
  expect(chiSquare).toBeLessThan(42.7);
});
