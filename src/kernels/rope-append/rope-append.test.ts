import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32, readU32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { ropeAppendReference } from './rope-append.ref.ts';
import { prepareRopeAppend } from './rope-append.ts';

interface Case {
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly qkNorm: boolean;
  /** Rows dispatched, and rows that step says. */
  readonly rows: number;
  readonly stepRows?: number;
  readonly position: number;
  readonly capacity: number;
}

const cases: readonly Case[] = [
  { qHeads: 9, kvHeads: 3, headDim: 64, qkNorm: false, rows: 1, position: 0, capacity: 1 },
  { qHeads: 4, kvHeads: 4, headDim: 128, qkNorm: false, rows: 1, position: 6, capacity: 9 },
  { qHeads: 7, kvHeads: 1, headDim: 34, qkNorm: false, rows: 5, position: 3, capacity: 8 },
  { qHeads: 2, kvHeads: 1, headDim: 2, qkNorm: true, rows: 3, position: 0, capacity: 7 },
  { qHeads: 4, kvHeads: 2, headDim: 128, qkNorm: true, rows: 1, position: 2, capacity: 5 },
  { qHeads: 3, kvHeads: 1, headDim: 256, qkNorm: true, rows: 4, stepRows: 2, position: 1, capacity: 10 },
  { qHeads: 5, kvHeads: 5, headDim: 48, qkNorm: true, rows: 6, position: 4, capacity: 7 },
];

/** Neighbouring f16 values are this far apart around a value. */
function halfStep(value: number): number {
  return 2 ** Math.max(Math.floor(Math.log2(Math.abs(value) || 1e-30)) - 10, -24);
}

const poison = 0x7e017e01; // two NaN halves

describe(`rope-append (seed ${runSeed})`, () => {
  const gpu = withGpu();

  cases.forEach((shape, index) => {
    test(`rotates and appends ${JSON.stringify(shape)}`, async () => {
      const { qHeads, kvHeads, headDim, rows, position, capacity } = shape;
      const arena = new Arena(gpu());
      const random = new Random(runSeed + index);
      const half = headDim / 2;
      const eps = 1e-6;
      const qkv = random.normals(rows * (qHeads + 2 * kvHeads) * headDim, 3);
      qkv[qkv.length - 1] = 1e6; // beyond f16: saturates
      qkv[qkv.length - 2] = 3e-6; // a subnormal half
      const turns = Array.from({ length: capacity * half }, () => random.next() * 6.3);
      const angles = Float32Array.from(turns.flatMap((turn) => [Math.cos(turn), Math.sin(turn)]));
      const queryNorm = random.normals(headDim);
      const keyNorm = random.normals(headDim);
      const step = Uint32Array.of(position, shape.stepRows ?? rows, 0, 0);
      const written = Math.min(shape.stepRows ?? rows, capacity - position);

      const cacheWords = kvHeads * capacity * half;
      const filled = () => new Uint32Array(cacheWords).fill(poison);
      const keyCache = arena.tensorFrom('keys', 'u32', [cacheWords], filled());
      const valueCache = arena.tensorFrom('values', 'u32', [cacheWords], filled());
      const query = arena.tensor('query', 'f32', [rows, qHeads * headDim]);
      const ropeAppend = await prepareRopeAppend(gpu(), { qkNorm: shape.qkNorm });
      const vector = (label: string, data: Float32Array<ArrayBuffer>) =>
        arena.tensorFrom(label, 'f32', [data.length], data);
      submitDispatches(gpu(), [
        ropeAppend(arena, {
          label: 'query',
          step: { buffer: arena.uniform('step', step.buffer) },
          qkv: vector('qkv', qkv),
          query,
          angles: vector('angles', angles),
          keyCache,
          valueCache,
          ...(shape.qkNorm
            ? { queryNorm: vector('queryNorm', queryNorm), keyNorm: vector('keyNorm', keyNorm) }
            : {}),
          rows,
          qHeads,
          kvHeads,
          headDim,
          capacity,
          eps,
        }),
      ]);
      const expected = ropeAppendReference({
        qkv,
        angles,
        ...(shape.qkNorm ? { norm: { queryNorm, keyNorm, eps } } : {}),
        position,
        rows: written,
        qHeads,
        kvHeads,
        headDim,
      });

      // Two products and a sum; the norm adds a sum of headDim squares under a root (half its error), an inverse
      // root of 2 ulp and two products.
      const roundings = 3 + (shape.qkNorm ? headDim / 2 + 8 : 0);
      const rotationError = (magnitude: number) => roundings * unitF32 * magnitude;
      const gotQuery = await readF32(gpu(), query);
      expectClose(
        gotQuery.subarray(0, written * qHeads * headDim),
        expected.query,
        (i) => rotationError(expected.queryMagnitude[i]!),
        'query',
      );
      expect(gotQuery.subarray(written * qHeads * headDim).every((value) => value === 0)).toBe(true);

      const cacheRows = (words: Uint32Array): { rows: Float64Array; untouched: boolean } => {
        const halves = new Float64Array(written * kvHeads * headDim);
        let untouched = true;
        words.forEach((word, at) => {
          const token = Math.floor(at / half) % capacity;
          const row = token - position;
          if (row < 0 || row >= written) {
            untouched &&= word === poison;
            return;
          }
          const head = Math.floor(at / half / capacity);
          const to = (row * kvHeads + head) * headDim + 2 * (at % half);
          halves[to] = floatFromHalf(word & 0xffff);
          halves[to + 1] = floatFromHalf(word >>> 16);
        });
        return { rows: halves, untouched };
      };
      const keys = cacheRows(await readU32(gpu(), keyCache));
      const values = cacheRows(await readU32(gpu(), valueCache));
      expect(keys.untouched && values.untouched, 'other cache rows keep their contents').toBe(true);
      expectClose(
        keys.rows,
        expected.key,
        (i) => {
          const error = rotationError(expected.keyMagnitude[i]!);
          return error + halfStep(Math.abs(expected.key[i]!) + error) / 2;
        },
        'key',
      );
      // Values are only rounded: exactly to nearest, ties to even, saturating.
      const exact = expected.value.map((value) =>
        Math.abs(value) > 65504 ? Math.sign(value) * 65504 : floatFromHalf(halfFromFloat(value)),
      );
      expect([...values.rows]).toEqual([...exact]);
      arena.dispose();
    });
  });

  test('refuses an odd head size', async () => {
    const arena = new Arena(gpu());
    const ropeAppend = await prepareRopeAppend(gpu(), { qkNorm: false });
    const buffer = arena.buffer('any', 1024);
    const any = { buffer };
    expect(() =>
      ropeAppend(arena, {
        label: 'odd',
        step: any,
        qkv: any,
        query: any,
        angles: any,
        keyCache: any,
        valueCache: any,
        rows: 1,
        qHeads: 1,
        kvHeads: 1,
        headDim: 33,
        capacity: 1,
        eps: 0,
      }),
    ).toThrow('headDim must be even, got 33');
    arena.dispose();
  });
});
