import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readU32 } from '../runtime/readback.ts';
import { floatFromBfloat, floatFromHalf } from '../shared/half.ts';
import { loadReport } from '../shared/load-report.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { toHalfReference } from './to-half.ref.ts';
import { prepareToHalf } from './to-half.ts';

describe(`to-half (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test('f32 converts exactly: random bits, every tie between halves, subnormals, signs', async () => {
    const random = new Random(runSeed);
    const values = [0, -0, 65519.99, -65504, 2 ** -25, -(2 ** -24), 1.5 * 2 ** -25, 1e-40];
    for (let half = 0; half < 0x7bff; half += random.integer(1, 30)) {
      const middle = (floatFromHalf(half) + floatFromHalf(half + 1)) / 2;
      values.push(middle, -middle * (1 + 2 ** -22), middle * (1 - 2 ** -22));
    }
    for (let i = 0; i < 3000; i++) values.push(random.normal() * 2 ** random.integer(-30, 12));
    if (values.length % 2 === 1) values.push(1);
    const source = Float32Array.from(values);
    const { out, report } = await run('f32', new Uint32Array(source.buffer), source.length / 2);
    expect(out).toEqual(toHalfReference(source));
    expect(report).toEqual(Uint32Array.of(0, 0));
  });

  test('bf16 converts exactly', async () => {
    const random = new Random(runSeed + 1);
    const values = random.normals(2000).map((value, i) => value * 2 ** ((i % 50) - 35));
    const halves = Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
    const { out, report } = await run('bf16', new Uint32Array(halves.buffer), 1000);
    expect(out).toEqual(toHalfReference(Array.from(halves, floatFromBfloat)));
    expect(report).toEqual(Uint32Array.of(0, 0));
  });

  test('only what is read is written, and bad values are reported', async () => {
    for (const [bad, flag] of [
      [Number.NaN, loadReport.notFinite],
      [Number.POSITIVE_INFINITY, loadReport.notFinite],
      [65520, loadReport.beyondHalf],
    ] as const) {
      for (const position of [4, 5]) {
        const source = new Float32Array(8).fill(1);
        source[position] = bad;
        const { out, report } = await run('f32', new Uint32Array(source.buffer), 1, 4, 2);
        expect([bad, ...report]).toEqual([bad, 0, flag]);
        expect(out.length).toBe(3);
        expect([out[0], out[1]]).toEqual([0, 0]);
      }
    }
  });

  async function run(
    type: 'f32' | 'bf16',
    words: Uint32Array<ArrayBuffer>,
    count: number,
    firstSource = 0,
    firstWord = 0,
  ): Promise<{ out: Uint32Array; report: Uint32Array }> {
    const arena = new Arena(gpu());
    const source = arena.tensorFrom('source', 'u32', [words.length], words);
    const out = arena.tensor('out', 'u32', [firstWord + count]);
    const report = arena.tensor('report', 'u32', [2]);
    const toHalf = await prepareToHalf(gpu(), type);
    submitDispatches(gpu(), [
      toHalf(arena, {
        label: 'test',
        source,
        firstSource,
        out,
        firstWord,
        words: count,
        report,
        reportIndex: 1,
      }),
    ]);
    const result = { out: await readU32(gpu(), out), report: await readU32(gpu(), report) };
    arena.dispose();
    return result;
  }
});
