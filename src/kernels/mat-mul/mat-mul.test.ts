import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import type { MatrixFormat } from '../runtime/matrix.ts';
import { readF32 } from '../runtime/readback.ts';
import { dotBound, expectClose } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { type RandomMatrixOptions, randomMatrix } from '../testing/random-matrix.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { matMulReference } from './mat-mul.ref.ts';
import { type MatMulScheme, prepareMatMul } from './mat-mul.ts';

interface Case extends Omit<RandomMatrixOptions, 'format'> {
  readonly tokens: number;
  readonly xStride?: number;
  readonly xOffset?: number;
  readonly outStride?: number;
  readonly outOffset?: number;
  readonly hasBias?: boolean;
  readonly accumulate?: boolean;
}

describe(`mat-mul (seed ${runSeed})`, () => {
  const gpu = withGpu();

  async function check(format: MatrixFormat, scheme: MatMulScheme, size: Case): Promise<void> {
    const arena = new Arena(gpu());
    const random = new Random(runSeed + size.rows * 4096 + size.columns);
    const { matrix, dense, magnitudes } = randomMatrix(arena, random, { ...size, format });
    const xStride = size.xStride ?? size.columns;
    const xOffset = size.xOffset ?? 0;
    const outStride = size.outStride ?? size.rows;
    const outOffset = size.outOffset ?? 0;
    // What lies beyond the columns and rows in use is large, so that reading it shows.
    const x = random.normals((xOffset + size.tokens + 1) * xStride).map((value, i) => {
      const row = Math.floor(i / xStride) - xOffset;
      const inUse = row >= 0 && row < size.tokens && i % xStride < size.columns;
      return inUse ? value : 1e6;
    });
    const before = random.normals((size.tokens + 1) * outStride);
    const bias = random.normals(size.rows);
    const shape = { tokens: size.tokens, xStride, xOffset, outStride, outOffset };
    const accumulate = size.accumulate ?? false;
    const out = arena.tensorFrom('out', 'f32', [size.tokens + 1, outStride], before);
    const matMul = await prepareMatMul(gpu(), format, { scheme });
    const dispatches = matMul(arena, {
      label: 'product',
      matrix,
      x: arena.tensorFrom('x', 'f32', [x.length], x),
      out,
      ...(size.hasBias ? { bias: arena.tensorFrom('bias', 'f32', [size.rows], bias) } : {}),
      accumulate,
      ...shape,
    });
    submitDispatches(gpu(), dispatches);
    const { out: expected, magnitude } = matMulReference({
      ...shape,
      weights: dense,
      magnitudes,
      rows: size.rows,
      columns: size.columns,
      x,
      ...(size.hasBias ? { bias } : {}),
      before,
      accumulate,
    });
    // Columns products and two further terms; decoding a weight rounds twice, its f32 copy here once.
    const bound = (i: number): number =>
      magnitude[i] === 0 ? 0 : dotBound(size.columns + 2, magnitude[i]!, 8);
    expectClose(await readF32(gpu(), out), expected, bound, `${format.kind} ${scheme}`);
    arena.dispose();
  }

  const schemes = ['serial', 'tile-64', 'tile-128'] as const;
  const formats: MatrixFormat[] = [
    { kind: 'q4', groupSize: 32, scales: 'f16' },
    { kind: 'q8', groupSize: 64, scales: 'f32' },
    { kind: 'f16' },
    { kind: 'bf16' },
    { kind: 'f32' },
  ];

  for (const scheme of schemes) {
    const q4: MatrixFormat = { kind: 'q4', groupSize: 32, scales: 'f16' };

    test.each<Case>([
      { tokens: 1, rows: 1, columns: 4 },
      { tokens: 3, rows: 70, columns: 96 },
      { tokens: 65, rows: 129, columns: 576 },
      { tokens: 129, rows: 65, columns: 64 },
    ])(`${scheme}: $tokens tokens × $rows rows × $columns columns`, (size) => check(q4, scheme, size));

    test(`${scheme}: columns that are no multiple of 4, padded rows of x and out, rows skipped in x`, () =>
      check(q4, scheme, {
        tokens: 9,
        rows: 10,
        columns: 45,
        xStride: 52,
        xOffset: 2,
        outStride: 17,
        outOffset: 5,
      }));

    test(`${scheme}: bias and accumulation over a matrix in three parts`, () =>
      check(q4, scheme, {
        tokens: 5,
        rows: 150,
        columns: 160,
        rowsPerPart: 64,
        hasBias: true,
        accumulate: true,
      }));
  }

  // Except for q4, the serial scheme reads its eight weights as the tiles read four: its decoders are theirs.
  test.each(formats.slice(1))('serial: $kind', (format) =>
    check(format, 'serial', { tokens: 7, rows: 67, columns: 96 }),
  );

  test('tile-64: f16', () => check({ kind: 'f16' }, 'tile-64', { tokens: 7, rows: 67, columns: 96 }));

  test('serial: q4 in groups of 128 with f32 scales', () =>
    check({ kind: 'q4', groupSize: 128, scales: 'f32' }, 'serial', { tokens: 3, rows: 5, columns: 416 }));

  test('a matrix in another format is refused', async () => {
    const arena = new Arena(gpu());
    const { matrix } = randomMatrix(arena, new Random(runSeed), {
      rows: 4,
      columns: 32,
      format: { kind: 'f32' },
    });
    const matMul = await prepareMatMul(gpu(), { kind: 'f16' }, { scheme: 'serial' });
    const [x, out] = [arena.tensor('x', 'f32', [32]), arena.tensor('out', 'f32', [4])];
    expect(() => matMul(arena, { label: 'product', matrix, x, out, tokens: 1 })).toThrow(/prepared for/);
    arena.dispose();
  });
});
