/** Whole HashAttention steps on random shapes: signatures, maps, distances, selection, attended values. */
import { describe, expect, test } from 'vitest';
import type { KernelVariant } from '../runtime/gpu.ts';
import { expectHashStep } from '../testing/expect-hash-step.ts';
import {
  type CaseSizes,
  type HashStepCase,
  type HashStepShape,
  hashScorings,
  randomHashStepCase,
  randomHashStepShape,
  randomLength,
} from '../testing/hash-step-case.ts';
import { onHardware } from '../testing/on-hardware.ts';
import { Random, runSeed } from '../testing/random.ts';
import { RowPool } from '../testing/row-pool.ts';
import { prepareHashStep } from '../testing/run-hash-step.ts';
import { withWideSubgroups } from '../testing/wide-subgroups.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { subgroupTakes } from './split-plan.ts';

/** Cases in one submission. */
const batch = 40;

describe(`HashAttention step (seed ${runSeed})`, () => {
  const gpu = withGpu();
  const pool = new RowPool(new Random(runSeed));

  async function compare(
    shape: HashStepShape,
    variant: KernelVariant,
    random: Random,
    sizes: readonly CaseSizes[],
    on = gpu(),
  ): Promise<void> {
    const mostKvHeads = Math.max(...sizes.map((size) => size.mostKvHeads));
    const runner = await prepareHashStep(on, random, shape, variant, mostKvHeads);
    expect(runner.variant).toBe(variant);
    let count = 0;
    const check = async (cases: readonly HashStepCase[]): Promise<void> => {
      const results = await runner.run(cases);
      for (const [i, one] of cases.entries()) {
        expectHashStep(one, results[i]!, random, `${variant}, case ${count}`);
        count++;
      }
    };
    for (let from = 0; from < sizes.length; from += batch) {
      await check(
        sizes.slice(from, from + batch).map((size) => randomHashStepCase(random, pool, shape, size)),
      );
    }
    expect(count).toBe(sizes.length);
    runner.dispose();
  }

  function headDimsOf(variant: KernelVariant, sizes: readonly number[]): number[] {
    return sizes.filter((size) => variant !== 'subgroup' || subgroupTakes(gpu(), size));
  }

  const counts: readonly (readonly [KernelVariant, number])[] = onHardware
    ? [
        ['workgroup', 100],
        ['subgroup', 100],
        ['serial', 40], // few invocations: slow on a graphics card
      ]
    : [['serial', 500]];
  for (const [variant, count] of counts) {
    for (const [i, scoring] of hashScorings.entries()) {
      test(`${variant}, ${count} random cases: ${JSON.stringify(scoring)}`, async () => {
        const random = new Random(runSeed + i);
        const shape = randomHashStepShape(random, scoring, headDimsOf(variant, [32, 48, 64, 80, 128, 256]));
        const row = shape.group * shape.headDim;
        const short = Math.min(4000, Math.floor(120_000 / row));
        const long = Math.min(70_000, Math.floor(2_000_000 / row));
        await compare(shape, variant, random, [
          ...Array.from({ length: count - 4 }, () => ({ mostKvHeads: 3, n: randomLength(random, 1, short) })),
          ...Array.from({ length: 4 }, () => ({ mostKvHeads: 1, n: randomLength(random, short, long) })),
        ]);
      });
    }
  }

  test('serial, a long context', async () => {
    const random = new Random(runSeed - 1);
    const shape = { group: 2, headDim: 32, bits: 32, scoring: hashScorings[0]!, tail: 'blocks' } as const;
    const n = random.integer(20_000, 70_000);
    await compare(shape, 'serial', random, [{ mostKvHeads: 1, n }]);
  });

  // Pipelines of these take seconds to compile on a CPU adapter: a run draws one shape for each.
  for (const [i, variant] of (['workgroup', 'subgroup'] as const).entries()) {
    if (onHardware) continue;
    const scoring = hashScorings[((runSeed >> 4) + i) % 3]!;
    test(`${variant}, a random shape: ${JSON.stringify(scoring)}`, async () => {
      const random = new Random(runSeed + variant.length);
      const shape = randomHashStepShape(random, scoring, headDimsOf(variant, [32, 64, 128]));
      await compare(shape, variant, random, [
        ...Array.from({ length: 12 }, () => ({ mostKvHeads: 1, n: randomLength(random, 1, 300) })),
        // more than a round of tokens in a split
        { mostKvHeads: 1, n: random.integer(2100, 2600) },
      ]);
    });
  }

  // Wide enough for two teams of a set: they meet by shuffles, which the CI's adapter never does.
  test('subgroups of 32, emulated', async () => {
    const random = new Random(runSeed - 2);
    const scoring = hashScorings[(runSeed >> 6) % 3]!;
    const shape = randomHashStepShape(random, scoring, [48, 64]);
    const sizes = Array.from({ length: 6 }, () => ({ mostKvHeads: 1, n: randomLength(random, 1, 600) }));
    await compare(shape, 'subgroup', random, sizes, withWideSubgroups(gpu(), 32));
  });
});
