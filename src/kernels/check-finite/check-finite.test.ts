import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readU32 } from '../runtime/readback.ts';
import { loadReport } from '../shared/load-report.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { allFinite } from './check-finite.ref.ts';
import { prepareCheckFinite } from './check-finite.ts';

describe(`check-finite (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test('random words, few of them bad, are judged as the reference judges them', async () => {
    const random = new Random(runSeed);
    const check = await prepareCheckFinite(gpu());
    const verdicts = new Set<string>();
    for (let round = 0; round < 40; round++) {
      const words = random.words(random.integer(1, 20));
      for (const type of ['f32', 'f16', 'bf16'] as const) {
        const arena = new Arena(gpu());
        // A bad word before and after the checked range must not matter.
        const all = Uint32Array.of(0xffffffff, ...words, 0xffffffff);
        const values = arena.tensorFrom('values', 'u32', [all.length], all);
        const report = arena.tensor('report', 'u32', [3]);
        const range = { values, firstWord: 1, words: words.length };
        submitDispatches(gpu(), [check(arena, { label: 'test', type, ...range, report, reportIndex: 2 })]);
        const expected = allFinite(words, type) ? 0 : loadReport.notFinite;
        expect([type, ...(await readU32(gpu(), report))]).toEqual([type, 0, 0, expected]);
        verdicts.add(`${type} ${expected}`);
        arena.dispose();
      }
    }
    expect(verdicts.size).toBeGreaterThan(3);
  });
});
