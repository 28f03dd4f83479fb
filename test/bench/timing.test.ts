import { describe, expect, test } from 'vitest';
import { boundOf } from '../../bench/ceiling.ts';
import { median, slopeOf, type Timing } from '../../bench/timing.ts';

describe('slope', () => {
  /** Constant parts, a part per repetition, and what is told to be added to the n-th call. */
  function clock(late: (call: number) => number): {
    time: (repeats: number) => Promise<Timing>;
    calls: () => number;
  } {
    let calls = 0;
    const time = async (repeats: number): Promise<Timing> => {
      const more = late(calls++);
      return { gpuMs: 0.5 + 2 * repeats + more, submittedMs: 7 + 3 * repeats + more };
    };
    return { time, calls: () => calls };
  }

  test('leaves constant parts out, of either time, and ends where three rounds agree', async () => {
    const { time, calls } = clock(() => 0);
    const { gpuMs, submittedMs } = await slopeOf(time, { few: 4, many: 20 });
    expect(gpuMs).toBeCloseTo(2, 12);
    expect(submittedMs).toBeCloseTo(3, 12);
    expect(calls()).toBe(6);
  });

  test('is not moved by two disturbed rounds of seven, and takes no more than it is told', async () => {
    // calls 1 and 6: `many` of the first round, `few` of the fourth
    const disturbed = clock((call) => (call === 1 || call === 6 ? 40 : call % 4));
    const { gpuMs } = await slopeOf(disturbed.time, { few: 4, many: 20, rounds: 7 });
    // in every other round `many` is one late
    expect(gpuMs).toBeCloseTo(2 + 1 / 16, 12);
    expect(disturbed.calls()).toBe(14);
  });
});

test('the median is the middle by size', () => {
  expect(median([100, 9, 20])).toBe(20);
});

test('a bound has the latency of its own way of measuring', () => {
  const ceiling = { bytesPerSecond: 4e12, dispatch: { gpuMs: 0.001, submittedMs: 0.003 } };
  const { gpuMs, submittedMs } = boundOf(ceiling, 8e9, 200);
  expect(gpuMs).toBeCloseTo(2.2, 12);
  expect(submittedMs).toBeCloseTo(2.6, 12);
});
