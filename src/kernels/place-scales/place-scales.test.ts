import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readBytes, readU32 } from '../runtime/readback.ts';
import { floatFromBfloat, floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { loadReport } from '../shared/load-report.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { placeF16Reference, placeF32Reference } from './place-scales.ref.ts';
import { preparePlaceScales } from './place-scales.ts';

const groups = 131;

describe(`place-scales (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const order of [
    ['scale', 'bias'],
    ['bias', 'scale'],
  ] as const) {
    test(`f16: ${order.join(' before ')}, in odd pieces, leaves every other bit alone`, async () => {
      const random = new Random(runSeed);
      const arena = new Arena(gpu());
      const place = await preparePlaceScales(gpu(), 'f16 f16');
      const before = random.words(groups);
      const pairs = arena.tensorFrom('pairs', 'u32', [groups], before);
      const expected = before.slice();
      const report = arena.tensor('report', 'u32', [1]);
      for (const slot of order) {
        const bits = Uint16Array.from({ length: 102 }, () => random.integer(0, 0x7bff));
        const source = arena.tensorFrom('source', 'u32', [51], new Uint32Array(bits.buffer));
        for (const [first, count] of [
          [1, 40],
          [41, 60],
        ] as const) {
          const range = { source, firstSource: first, pairs, firstGroup: first + 5, groups: count };
          submitDispatches(gpu(), [place(arena, { label: 'test', ...range, slot, report, reportIndex: 0 })]);
          placeF16Reference(expected, bits.subarray(first, first + count), slot, first + 5);
        }
      }
      expect(await readU32(gpu(), pairs)).toEqual(expected);
      expect(await readU32(gpu(), report)).toEqual(Uint32Array.of(0));
      arena.dispose();
    });
  }

  for (const type of ['f32', 'f16', 'bf16'] as const) {
    test(`${type} becomes f32 pairs exactly`, async () => {
      const random = new Random(runSeed + 1);
      const arena = new Arena(gpu());
      const place = await preparePlaceScales(gpu(), `${type} f32`);
      const pairs = arena.tensor('pairs', 'u32', [2 * groups]);
      const expected = new Float32Array(2 * groups);
      const report = arena.tensor('report', 'u32', [1]);
      for (const slot of ['bias', 'scale'] as const) {
        const values = random.normals(groups + 1, slot === 'bias' ? 3 : 1e-3);
        const halves =
          type === 'f16'
            ? Uint16Array.from(values, halfFromFloat)
            : Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
        const floatOf = type === 'f16' ? floatFromHalf : floatFromBfloat;
        const exact = type === 'f32' ? values : Float32Array.from(halves, floatOf);
        const words = new Uint32Array(type === 'f32' ? values.buffer : halves.buffer);
        const source = arena.tensorFrom('source', 'u32', [words.length], words);
        const range = { source, firstSource: 1, pairs, firstGroup: 0, groups };
        submitDispatches(gpu(), [place(arena, { label: 'test', ...range, slot, report, reportIndex: 0 })]);
        placeF32Reference(expected, exact.subarray(1), slot, 0);
      }
      expect(new Float32Array(await readBytes(gpu(), pairs, 8 * groups))).toEqual(expected);
      expect(await readU32(gpu(), report)).toEqual(Uint32Array.of(0));
      arena.dispose();
    });
  }

  test('values that are not finite are reported', async () => {
    for (const [type, word, flag] of [
      ['f16 f16', 0x7c00, loadReport.notFinite],
      ['f16 f16', 0xfe00, loadReport.notFinite],
      ['f16 f16', 0x7bff, 0],
      ['f16 f32', 0x7e01, loadReport.notFinite],
      ['bf16 f32', 0x7f80, loadReport.notFinite],
      ['bf16 f32', 0x7c00, 0],
      ['f32 f32', 0xff800000, loadReport.notFinite],
      ['f32 f32', 0x7f7fffff, 0],
    ] as const) {
      const arena = new Arena(gpu());
      const place = await preparePlaceScales(gpu(), type);
      const source = arena.tensorFrom('source', 'u32', [1], Uint32Array.of(word));
      const pairs = arena.tensor('pairs', 'u32', [2]);
      const report = arena.tensor('report', 'u32', [2]);
      const range = { source, firstSource: 0, pairs, firstGroup: 0, groups: 1, slot: 'bias' } as const;
      submitDispatches(gpu(), [place(arena, { label: 'test', ...range, report, reportIndex: 1 })]);
      expect([type, word, ...(await readU32(gpu(), report))]).toEqual([type, word, 0, flag]);
      arena.dispose();
    }
  });
});
