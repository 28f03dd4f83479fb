import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { attendPrefillReference } from './attend-prefill.ref.ts';
import { type AttendPrefillVariant, prepareAttendPrefill } from './attend-prefill.ts';
import { partsFor, prepareAttendParts } from './attend-prefill-parts.ts';

interface Case {
  readonly position: number;
  readonly rows: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  /** Standard deviation of the queries: large ones make one key win. */
  readonly sharpness?: number;
  /** Parts of the keys that there is room for. */
  readonly parts?: number;
}

describe(`attend-prefill (seed ${runSeed})`, () => {
  const gpu = withGpu();

  function halves(random: Random, count: number): { words: Uint32Array<ArrayBuffer>; numbers: Float64Array } {
    const bits = Uint16Array.from({ length: count }, () => halfFromFloat(random.normal()));
    return { words: new Uint32Array(bits.buffer), numbers: Float64Array.from(bits, floatFromHalf) };
  }

  async function check(headDim: number, variant: AttendPrefillVariant, size: Case): Promise<void> {
    const arena = new Arena(gpu());
    const { position, rows, qHeads, kvHeads, parts } = size;
    const random = new Random(runSeed + position * 512 + rows + headDim);
    // Capacity beyond what is in use, a grid for more rows than the chunk has, and columns after the queries.
    const capacity = position + rows + 3;
    const tokens = rows + 70;
    const queryStride = (qHeads + 2 * kvHeads) * headDim;
    const query = random.normals(rows * queryStride, size.sharpness ?? 1);
    const keys = halves(random, kvHeads * capacity * headDim);
    const values = halves(random, kvHeads * capacity * headDim);
    const out = arena.tensorFrom(
      'attended',
      'f32',
      [rows + 1, qHeads * headDim],
      new Float32Array((rows + 1) * qHeads * headDim).fill(7),
    );
    const args = {
      label: 'attended',
      step: { buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer) },
      query: arena.tensorFrom('query', 'f32', [rows, queryStride], query),
      queryStride,
      keys: arena.tensorFrom('keys', 'u32', [keys.words.length], keys.words),
      values: arena.tensorFrom('values', 'u32', [values.words.length], values.words),
      capacity,
      out,
      tokens,
      qHeads,
      kvHeads,
    };
    const dispatches: Dispatch[] = [];
    if (parts === undefined) {
      const attend = await prepareAttendPrefill(gpu(), headDim, { variant });
      dispatches.push(attend(arena, args));
    } else {
      const attend = await prepareAttendParts(gpu(), headDim);
      const floats = parts * tokens * qHeads * (headDim + 2);
      // what was left there must not matter
      const scratch = arena.tensorFrom('scratch', 'f32', [floats], new Float32Array(floats).fill(9));
      dispatches.push(...attend(arena, { ...args, scratch }));
      expect(dispatches[0]!.workgroups[2]).toBe(parts);
    }
    submitDispatches(gpu(), dispatches);
    const shape = { queryStride, capacity, qHeads, kvHeads, headDim, position, rows };
    const reference = attendPrefillReference({
      ...shape,
      query,
      keys: keys.numbers,
      values: values.numbers,
    });
    const expected = Float64Array.from(
      { length: (rows + 1) * qHeads * headDim },
      (_, i) => reference.out[i] ?? 7,
    );
    // A score errs by (headDim + 3)·u·Σ|q·k|, in powers of two; exp2 by (3 + 2|s|) ULP, |s| ≤ 2.9·Σ|q·k|. Both change a
    // probability and the sum it is divided by; adding up and rescaling err once per key, and part, each.
    const bound = (i: number): number => {
      if (i >= reference.out.length) return 0;
      const score = reference.scoreMagnitude[i]!;
      const probability = (headDim + 3) * score + 2 * (3 + 2 * 2.9 * score);
      return (
        (2 * probability + 4 * (position + rows + (parts ?? 0)) + 8) * unitF32 * reference.magnitude[i]! +
        1e-30
      );
    };
    expectClose(await readF32(gpu(), out), expected, bound, `${variant} attention, head size ${headDim}`);
    arena.dispose();
  }

  for (const variant of ['workgroup', 'serial'] as const) {
    test.each<Case>([
      { position: 0, rows: 1, qHeads: 1, kvHeads: 1 },
      { position: 0, rows: 65, qHeads: 6, kvHeads: 2 },
      { position: 37, rows: 5, qHeads: 3, kvHeads: 1 },
      { position: 100, rows: 33, qHeads: 2, kvHeads: 2, sharpness: 8 },
    ])(`${variant}: $rows rows from position $position, $qHeads heads over $kvHeads`, (size) =>
      check(64, variant, size),
    );

    test.each([2, 34, 48, 256])(`${variant}: head size %i`, (headDim) =>
      check(headDim, variant, { position: 3, rows: 35, qHeads: 2, kvHeads: 1 }),
    );
  }

  test.each<Case>([
    { position: 0, rows: 1, qHeads: 1, kvHeads: 1, parts: 3 },
    // a part without keys, and one whose keys the first rows do not see
    { position: 0, rows: 65, qHeads: 6, kvHeads: 2, parts: 4 },
    { position: 300, rows: 33, qHeads: 4, kvHeads: 2, sharpness: 8, parts: 2 },
    { position: 1000, rows: 70, qHeads: 2, kvHeads: 1, parts: 9 },
  ])('keys in $parts parts: $rows rows from position $position, $qHeads heads over $kvHeads', (size) =>
    check(64, 'workgroup', size),
  );

  test('keys in parts: head size 34', () =>
    check(34, 'workgroup', { position: 90, rows: 35, qHeads: 3, kvHeads: 1, parts: 2 }));

  test.each([
    { tokens: 64, qHeads: 32, room: 2 ** 30, expected: 16 },
    { tokens: 1, qHeads: 32, room: 2 ** 30, expected: 16 },
    { tokens: 65, qHeads: 32, room: 2 ** 30, expected: 8 },
    { tokens: 2048, qHeads: 32, room: 2 ** 30, expected: 1 },
    { tokens: 64, qHeads: 32, room: 6 * 4 * 64 * 32 * 130 + 1, expected: 6 },
    { tokens: 64, qHeads: 32, room: 0, expected: 1 },
  ])('$tokens rows of $qHeads heads: $expected parts', ({ tokens, qHeads, room, expected }) => {
    expect(partsFor({ tokens, qHeads, headDim: 128 }, room)).toBe(expected);
  });
});
