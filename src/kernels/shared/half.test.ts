import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../testing/random.ts';
import { floatFromBfloat, floatFromHalf, halfFromFloat, halvesFromFloats } from './half.ts';

describe(`half precision (seed ${runSeed})`, () => {
  test('every half survives the way through f32 and back', () => {
    for (let half = 0; half < 65536; half++) {
      const isNaNHalf = (half & 0x7fff) > 0x7c00;
      const back = halfFromFloat(floatFromHalf(half));
      if (isNaNHalf ? (back & 0x7fff) <= 0x7c00 : back !== half) {
        throw new Error(`half 0x${half.toString(16)} came back as 0x${back.toString(16)}`);
      }
    }
  });

  test('the midpoint of neighbouring halves goes to the even one, anything beside it to the nearer', () => {
    for (let half = 0; half < 0x7bff; half++) {
      const low = floatFromHalf(half);
      const middle = (low + floatFromHalf(half + 1)) / 2;
      const step = 2 ** (Math.floor(Math.log2(middle)) - 23);
      const even = half & 1 ? half + 1 : half;
      if (halfFromFloat(middle) !== even) throw new Error(`tie above 0x${half.toString(16)}`);
      if (halfFromFloat(middle - step) !== half)
        throw new Error(`below the tie above 0x${half.toString(16)}`);
      if (halfFromFloat(-middle - step) !== half + 1 + 0x8000)
        throw new Error(`above 0x${half.toString(16)}`);
    }
  });

  test('overflow begins at 65520, the first value nearer to 65536 than to the largest half', () => {
    expect(halfFromFloat(65519.996)).toBe(0x7bff);
    expect(halfFromFloat(65520)).toBe(0x7c00);
    expect(halfFromFloat(-3e38)).toBe(0xfc00);
  });

  test('many at once are what they are one by one, from any place in a buffer', () => {
    const values = Float32Array.from([0, ...new Random(runSeed).normals(999, 1e3)]).subarray(1);
    expect([...halvesFromFloats(values)]).toEqual(Array.from(values, halfFromFloat));
  });

  test('a bfloat16 is the upper half of an f32', () => {
    const random = new Random(runSeed);
    for (const value of random.normals(1000)) {
      const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
      const got = floatFromBfloat(bits >>> 16);
      expect(Math.abs(got - value)).toBeLessThan(Math.abs(value) * 2 ** -7);
      expect(new Uint32Array(Float32Array.of(got).buffer)[0]).toBe((bits & 0xffff0000) >>> 0);
    }
  });
});
