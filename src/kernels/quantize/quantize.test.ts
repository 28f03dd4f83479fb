import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readU32 } from '../runtime/readback.ts';
import { floatFromBfloat, floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { loadReport } from '../shared/load-report.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { quantizeGroup } from './quantize.ref.ts';
import { type FloatType, prepareQuantize } from './quantize.ts';

const groupSize = 32;

describe(`quantize (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const type of ['f32', 'f16', 'bf16'] as const) {
    for (const bits of [4, 8] as const) {
      test(`${type} to ${bits} bits equals the reference, but for one step at ties`, async () => {
        const random = new Random(runSeed + bits);
        const { words, values } = packed(type, sampleGroups(random));
        const result = await run(type, bits, words, values.length / groupSize, { skip: 3, firstGroup: 5 });
        expect(result.report).toEqual(Uint32Array.of(0, 0));
        let ties = 0;
        for (let group = 3; group < values.length / groupSize; group++) {
          const weights = values.subarray(group * groupSize, (group + 1) * groupSize);
          ties += checkGroup(weights, bits, result, group - 3 + 5);
        }
        expect(ties / values.length).toBeLessThan(0.01);
        expect(result.scales.subarray(0, 5)).toEqual(new Uint32Array(5));
      });
    }
  }

  test('a weight that is not finite, and one beyond the range of a half, are reported apart', async () => {
    for (const [bad, flag] of [
      [Number.NaN, loadReport.notFinite],
      [Number.NEGATIVE_INFINITY, loadReport.notFinite],
      [-65520, loadReport.beyondHalf],
      [3e38, loadReport.beyondHalf],
      [-65519, 0],
      [65504 * 15, 0],
    ] as const) {
      const values = new Float32Array(3 * groupSize);
      values[2 * groupSize + 7] = bad;
      const result = await run('f32', 4, new Uint32Array(values.buffer), 3, { skip: 0, firstGroup: 0 });
      expect([bad, ...result.report]).toEqual([bad, 0, flag]);
    }
  });

  interface Quantized {
    readonly weights: Uint32Array;
    readonly scales: Uint32Array;
    readonly report: Uint32Array;
  }

  /** Quantises the groups from `skip` on to `firstGroup` on. */
  async function run(
    type: FloatType,
    bits: 4 | 8,
    words: Uint32Array<ArrayBuffer>,
    groups: number,
    { skip, firstGroup }: { skip: number; firstGroup: number },
  ): Promise<Quantized> {
    const arena = new Arena(gpu());
    const count = groups - skip + firstGroup;
    const source = arena.tensorFrom('source', 'u32', [words.length], words);
    const weights = arena.tensor('weights', 'u32', [count * bits]);
    const scales = arena.tensor('scales', 'u32', [count]);
    const report = arena.tensor('report', 'u32', [2]);
    const quantize = await prepareQuantize(gpu(), type, bits);
    const args = {
      source,
      firstSource: skip * groupSize,
      weights,
      scales,
      firstGroup,
      groups: groups - skip,
    };
    submitDispatches(gpu(), [quantize(arena, { label: 'test', ...args, report, reportIndex: 1 })]);
    const result = {
      weights: await readU32(gpu(), weights),
      scales: await readU32(gpu(), scales),
      report: await readU32(gpu(), report),
    };
    arena.dispose();
    return result;
  }
});

/** Fails unless a group is right; gives the number of quants that differ from the reference's at a tie.
 *  WGSL's division is good to 2.5 units in the last place: a quotient that close to a tie may go either way. */
function checkGroup(
  weights: Float32Array,
  bits: 4 | 8,
  result: { weights: Uint32Array; scales: Uint32Array },
  group: number,
): number {
  const expected = quantizeGroup(weights, bits);
  const levels = 2 ** bits - 1;
  const pair = result.scales[group]!;
  const where = `group ${group} of ${Array.from(weights)}`;
  expect(pair >>> 16, `bias of ${where}`).toBe(expected.biasHalf);
  const scaleHalf = pair & 0xffff;
  if (scaleHalf !== expected.scaleHalf) {
    const quotient = (Math.max(...weights) - Math.min(...weights)) / levels;
    const near = [quotient * (1 - 2 ** -21), quotient * (1 + 2 ** -21)].map(
      (q) => halfFromFloat(q) || 0x3c00,
    );
    expect(near, `scale of ${where}`).toContain(scaleHalf);
  }
  const scale = floatFromHalf(scaleHalf);
  const bias = floatFromHalf(expected.biasHalf);
  let differing = 0;
  for (let i = 0; i < weights.length; i++) {
    const word = result.weights[Math.floor(((group * groupSize + i) * bits) / 32)]!;
    const quant = (word >>> ((i * bits) % 32)) & levels;
    if (quant === expected.quants[i] && scaleHalf === expected.scaleHalf) continue;
    const quotient = Math.min(Math.max((weights[i]! - bias) / scale, 0), levels);
    expect(Math.abs(quant - quotient), `quant ${i} of ${where}`).toBeLessThanOrEqual(
      0.5 + quotient * 2 ** -21,
    );
    differing++;
  }
  return differing;
}

/** Groups of many magnitudes, constant ones, tiny ranges, one-sided ones, and large outliers. */
function sampleGroups(random: Random): Float32Array<ArrayBuffer> {
  const groups: number[][] = [];
  for (let group = 0; group < 300; group++) {
    const size = 10 ** (random.next() * 8 - 6);
    const shift = group % 3 === 0 ? 0 : random.normal() * size;
    groups.push(Array.from({ length: groupSize }, () => random.normal() * size + shift));
  }
  for (const constant of [0, -0, 1, -2.7, 1e-5, 6e-8, 1e-30, 65504, -65504, -60001]) {
    groups.push(new Array<number>(groupSize).fill(constant));
  }
  for (const range of [1e-9, 4e-7, 5e-7, 9e-7, 1e-5, 1e-3, 1e5]) {
    groups.push(Array.from({ length: groupSize }, (_, i) => (i / 31) * range));
  }
  groups.push(Array.from({ length: groupSize }, (_, i) => (i === 17 ? 60000 : random.normal())));
  groups.push(Array.from({ length: groupSize }, (_, i) => (i === 0 ? -60000 : i === 31 ? 60000 : 0)));
  return Float32Array.from(groups.flat());
}

/** The values in a source type, and what they are after rounding to it. */
function packed(
  type: FloatType,
  values: Float32Array<ArrayBuffer>,
): { words: Uint32Array<ArrayBuffer>; values: Float32Array<ArrayBuffer> } {
  if (type === 'f32') return { words: new Uint32Array(values.buffer), values };
  const bits = new Uint32Array(values.buffer);
  const halves =
    type === 'f16'
      ? Uint16Array.from(values, (value) => halfFromFloat(Math.max(-65504, Math.min(65504, value))))
      : Uint16Array.from(bits, (word) => word >>> 16);
  const floatOf = type === 'f16' ? floatFromHalf : floatFromBfloat;
  return { words: new Uint32Array(halves.buffer), values: Float32Array.from(halves, floatOf) };
}
