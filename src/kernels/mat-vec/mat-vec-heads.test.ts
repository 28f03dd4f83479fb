/** Products that finish with heads, against a product in double precision with rope-append in double precision after it. */
import { describe, expect, test } from 'vitest';
import { ropeAppendReference } from '../rope-append/rope-append.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { MatrixFormat } from '../runtime/matrix.ts';
import { readF32, readU32 } from '../runtime/readback.ts';
import { floatFromHalf } from '../shared/half.ts';
import { dotBound, expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomMatrix } from '../testing/random-matrix.ts';
import { withWideSubgroups } from '../testing/wide-subgroups.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { matVecReference } from './mat-vec.ref.ts';
import { canFinishHeads, type MatVecVariant, prepareMatVec } from './mat-vec.ts';

interface Case {
  readonly qHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly columns: number;
  readonly format: MatrixFormat;
  /** Heads of each matrix, of which `parts` heads are a part; all in one unless told. */
  readonly stack?: readonly number[];
  readonly parts?: number;
  readonly norm: boolean;
  readonly bias: boolean;
  readonly position: number;
  readonly capacity: number;
  readonly pairs?: number;
  readonly lanes?: number;
}

const q4: MatrixFormat = { kind: 'q4', groupSize: 32, scales: 'f16' };
const floatCases: readonly Case[] = [
  {
    ...{ qHeads: 5, kvHeads: 1, headDim: 24, columns: 96, format: q4, stack: [5, 2], parts: 2 },
    ...{ norm: true, bias: false, position: 3, capacity: 6 },
  },
  {
    ...{ qHeads: 2, kvHeads: 2, headDim: 64, columns: 75, format: { kind: 'f16' } },
    ...{ norm: false, bias: false, position: 6, capacity: 7 },
  },
];
const integerCases: readonly Case[] = [
  {
    ...{ qHeads: 5, kvHeads: 1, headDim: 24, columns: 160, format: q4, stack: [5, 2], parts: 2 },
    ...{ norm: true, bias: true, position: 3, capacity: 6 },
  },
  {
    ...{ qHeads: 2, kvHeads: 2, headDim: 64, columns: 1152, lanes: 32, pairs: 2 },
    ...{ format: { kind: 'q4', groupSize: 64, scales: 'f32' } },
    ...{ norm: false, bias: false, position: 6, capacity: 7 },
  },
];

const poison = 0x7e017e01; // two NaN halves

/** Half the distance of neighbouring f16 values around one of this size. */
function halfRounding(size: number): number {
  return 2 ** (Math.max(Math.floor(Math.log2(size || 1e-30)) - 10, -24) - 1);
}

describe(`mat-vec with heads (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const variant of ['workgroup', 'subgroup', 'serial'] as const) {
    test(`by floats, ${variant}: rotates queries, appends keys and values`, async () => {
      const random = new Random(runSeed);
      // compiling is what takes the time: the inner kernels are tested in every format elsewhere
      for (const spec of variant === 'serial' ? floatCases : floatCases.slice(0, 1)) {
        await check(random, variant, spec);
      }
    });
  }

  test('by whole numbers, with bias', async () => {
    const random = new Random(runSeed + 1);
    expect(gpu().traits.subgroups, 'the test device offers subgroups').not.toBeNull();
    for (const spec of integerCases) await check(random, 'integer', spec);
    await check(random, 'integer', integerCases[0]!, withWideSubgroups(gpu(), 32));
  });

  test('beyond the capacity of the caches nothing is appended', async () => {
    const random = new Random(runSeed + 2);
    const variant = gpu().chooseVariant(['workgroup', 'subgroup', 'serial']);
    await check(random, variant, { ...floatCases[0]!, position: 6 });
    await check(random, 'integer', { ...integerCases[0]!, position: 6 });
  });

  test('heads of odd sizes, split heads, and a bias beside floats are for rope-append', () => {
    const parts = (rows: number) => ({
      parts: [0, 1].map((i) => ({ firstRow: rows * i, rows, weights: { buffer: {} as GPUBuffer } })),
    });
    const floats = { rounds: false, biased: false };
    expect(canFinishHeads(parts(64), 64, floats)).toBe(true);
    expect(canFinishHeads(parts(64), 64, { rounds: true, biased: true })).toBe(true);
    expect(canFinishHeads(parts(64), 64, { rounds: false, biased: true })).toBe(false);
    expect(canFinishHeads(parts(68), 34, floats)).toBe(false);
    expect(canFinishHeads(parts(96), 64, floats)).toBe(false);
  });

  async function check(
    random: Random,
    variant: MatVecVariant,
    spec: Case,
    device: Gpu = gpu(),
  ): Promise<void> {
    const { qHeads, kvHeads, headDim, columns, format, position, capacity } = spec;
    const what = (name: string) => `${name} ${JSON.stringify({ variant, ...spec })}`;
    const arena = new Arena(gpu());
    const allHeads = qHeads + 2 * kvHeads;
    const half = headDim / 2;
    const eps = 1e-5;
    const vector = (label: string, data: Float32Array, length = data.length) => {
      const padded = new Float32Array(Math.ceil(length / 32) * 32);
      padded.set(data);
      return arena.tensorFrom(label, 'f32', [padded.length], padded);
    };
    const x = random.normals(columns, 3);
    const gain = random.normals(columns);
    const bias = random.normals(allHeads * headDim);
    const turns = Array.from({ length: capacity * half }, () => random.next() * 6.3);
    const angles = Float32Array.from(turns.flatMap((turn) => [1.1 * Math.cos(turn), 1.1 * Math.sin(turn)]));
    const cacheWords = kvHeads * capacity * half;
    const cache = (label: string) =>
      arena.tensorFrom(label, 'u32', [cacheWords], new Uint32Array(cacheWords).fill(poison));
    const [keyCache, valueCache] = [cache('keys'), cache('values')];
    const query = arena.tensor('query', 'f32', [qHeads * headDim]);
    const given = {
      x: vector('x', x),
      ...(spec.norm ? { norm: { gain: vector('gain', gain), eps } } : {}),
      ...(spec.bias ? { bias: vector('bias', bias) } : {}),
      out: query,
      heads: {
        step: { buffer: arena.uniform('step', Uint32Array.of(position, 1, 0, 0).buffer) },
        angles: vector('angles', angles),
        ...{ keyCache, valueCache, qHeads, kvHeads, headDim, capacity },
      },
    };

    // the product alone, row by row, with what may be wrong about it
    const qkv: number[] = [];
    const error: number[] = [];
    for (const count of spec.stack ?? [allHeads]) {
      const outOffset = qkv.length;
      const rows = count * headDim;
      const shape = { rows, columns, format };
      const { matrix, dense, magnitudes } = randomMatrix(arena, random, {
        ...shape,
        ...(spec.parts ? { rowsPerPart: spec.parts * headDim } : {}),
      });
      const product = await prepareMatVec(
        device,
        { ...shape, finish: 'heads', hasNorm: spec.norm },
        {
          variant,
          ...(spec.pairs ? { pairs: spec.pairs } : {}),
          ...(spec.lanes && variant === 'integer' ? { lanes: spec.lanes } : {}),
        },
      );
      submitDispatches(gpu(), product(arena, { label: 'query', matrix, outOffset, ...given }));
      const expected = matVecReference({
        ...{ weights: dense, magnitudes, rows, columns, x, finish: 'store' },
        ...(spec.norm ? { norm: { gain, eps } } : {}),
        ...(spec.bias ? { bias: bias.subarray(outOffset) } : {}),
        roundsInputs: variant === 'integer',
      });
      qkv.push(...expected.out);
      error.push(
        ...expected.out.map(
          (_, i) => dotBound(columns, expected.magnitude[i]!, 24) + 1.01 * expected.rounding[i]!,
        ),
      );
    }
    const turn = (values: readonly number[]) =>
      ropeAppendReference({
        ...{ qkv: values, angles, position: position % capacity, rows: 1, qHeads, kvHeads, headDim },
      });
    const expected = turn(qkv);
    // errors turn like the elements that they are errors of: at most |cos| e + |sin| e' of a pair; then two products and a sum
    const errors = turn(error.map(Math.abs));
    const rotation = (magnitude: number, ofElements: number) =>
      ofElements + 3 * unitF32 * (magnitude + ofElements);

    if (position < capacity) {
      expectClose(
        await readF32(gpu(), query),
        expected.query,
        (i) => rotation(expected.queryMagnitude[i]!, errors.queryMagnitude[i]!),
        what('query'),
      );
    }
    const appended = (words: Uint32Array): Float64Array => {
      const halves = new Float64Array(kvHeads * headDim).fill(Number.NaN);
      words.forEach((word, at) => {
        const head = Math.floor(at / half / capacity);
        if (Math.floor(at / half) % capacity !== position) {
          expect(word, what('other rows of the caches keep their contents')).toBe(poison);
          return;
        }
        halves[head * headDim + 2 * (at % half)] = floatFromHalf(word & 0xffff);
        halves[head * headDim + 2 * (at % half) + 1] = floatFromHalf(word >>> 16);
      });
      return halves;
    };
    const [keys, values] = [
      appended(await readU32(gpu(), keyCache)),
      appended(await readU32(gpu(), valueCache)),
    ];
    if (position < capacity) {
      const rounded = (value: number, bound: number) => bound + halfRounding(Math.abs(value) + bound);
      expectClose(
        keys,
        expected.key,
        (i) => rounded(expected.key[i]!, rotation(expected.keyMagnitude[i]!, errors.keyMagnitude[i]!)),
        what('keys'),
      );
      expectClose(
        values,
        expected.value,
        (i) => rounded(expected.value[i]!, errors.value[i]!),
        what('values'),
      );
    }
    arena.dispose();
  }
});
