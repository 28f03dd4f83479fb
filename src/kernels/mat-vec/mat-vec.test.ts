import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { type MatrixFormat, rowStride } from '../runtime/matrix.ts';
import { readBytes, readF32 } from '../runtime/readback.ts';
import type { Tensor } from '../runtime/tensor.ts';
import { packVectorReference } from '../shared/packed-vector.ref.ts';
import { packedBytes } from '../shared/packed-vector.ts';
import { dotBound, expectClose } from '../testing/expect-close.ts';
import { expectPacked } from '../testing/expect-packed.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomMatrix } from '../testing/random-matrix.ts';
import { withWideSubgroups } from '../testing/wide-subgroups.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { matVecReference } from './mat-vec.ref.ts';
import { type Finish, type MatVecVariant, prepareMatVec } from './mat-vec.ts';

const formats: readonly MatrixFormat[] = [
  { kind: 'q4', groupSize: 32, scales: 'f16' },
  { kind: 'q4', groupSize: 64, scales: 'f32' },
  { kind: 'q8', groupSize: 32, scales: 'f16' },
  { kind: 'q8', groupSize: 128, scales: 'f32' },
  { kind: 'f16' },
  { kind: 'bf16' },
  { kind: 'f32' },
];

interface Case {
  readonly rows: number;
  readonly columns: number;
  readonly finish: Exclude<Finish, 'heads'>;
  readonly norm: boolean;
  readonly bias: boolean;
  readonly rowsPerTeam?: number;
  readonly lanes?: number;
  /** 'extreme': blocks of zeros, of tiny values, and with an input a million times the others. */
  readonly inputs?: 'normal' | 'extreme';
  /** Rows per part, when split. */
  readonly partRows?: number;
  /** x comes packed; otherwise the product has it packed first. */
  readonly packed?: boolean;
  /** Outputs are packed, too. */
  readonly packs?: 'plain' | 'scaled';
  readonly pairs?: number;
  /** Shape of a cache that is read ahead, to its last row: results stay as they are. */
  readonly ahead?: readonly [heads: number, capacity: number, headDim: number];
}

const cases: readonly Case[] = [
  { rows: 37, columns: 128, finish: 'store', norm: true, bias: true, rowsPerTeam: 4 },
  { rows: 64, columns: 640, finish: 'add', norm: false, bias: false, rowsPerTeam: 2 },
  { rows: 30, columns: 384, finish: 'gated', norm: true, bias: true, rowsPerTeam: 4 },
  { rows: 1, columns: 256, finish: 'add', norm: false, bias: true, rowsPerTeam: 1 },
  { rows: 52, columns: 128, finish: 'store', norm: true, bias: true, rowsPerTeam: 4, partRows: 20 },
  { rows: 44, columns: 256, finish: 'gated', norm: false, bias: true, rowsPerTeam: 2, partRows: 16 },
];

/** For the variant 'integer'. Blocks: 38 in two tiles, 8, 12, 4, 33 in two tiles, 40 in one, 8 in parts; then packed. */
const integerCases: readonly Case[] = [
  { rows: 37, columns: 1216, finish: 'store', norm: true, bias: true, lanes: 32, pairs: 3 },
  { rows: 64, columns: 256, finish: 'add', norm: false, bias: false, inputs: 'extreme' },
  { rows: 30, columns: 384, finish: 'gated', norm: true, bias: true, inputs: 'extreme' },
  { rows: 1, columns: 128, finish: 'add', norm: false, bias: true },
  { rows: 18, columns: 1056, finish: 'store', norm: false, bias: false, lanes: 32, inputs: 'extreme' },
  { rows: 21, columns: 1280, finish: 'store', norm: true, bias: false },
  { rows: 44, columns: 256, finish: 'gated', norm: false, bias: true, partRows: 16 },
  { rows: 96, columns: 256, finish: 'add', norm: false, bias: true, packs: 'scaled', partRows: 64 },
  {
    ...{ rows: 192, columns: 384, finish: 'gated', norm: true, bias: false, packed: true, packs: 'plain' },
    ahead: [3, 700, 64],
  },
  {
    ...{ rows: 64, columns: 1056, finish: 'add', norm: false, bias: false, lanes: 32, inputs: 'extreme' },
    ...{ packed: true, packs: 'scaled', pairs: 2, ahead: [5, 32768, 128], partRows: 32 },
  },
  { rows: 37, columns: 512, finish: 'store', norm: true, bias: true, packed: true },
];

const integerFormats: readonly MatrixFormat[] = [
  { kind: 'q4', groupSize: 32, scales: 'f16' },
  { kind: 'q4', groupSize: 64, scales: 'f32' },
  { kind: 'q4', groupSize: 128, scales: 'f16' },
];

describe(`mat-vec (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const format of formats) {
    const name =
      'groupSize' in format ? `${format.kind} group ${format.groupSize} ${format.scales}` : format.kind;
    test(`${name} matches the reference in every variant`, async () => {
      const random = new Random(runSeed);
      for (const variant of ['workgroup', 'subgroup', 'serial'] as const) {
        if (variant === 'subgroup')
          expect(gpu().traits.subgroups, 'the test device offers subgroups').not.toBeNull();
        // compiling is what takes the time here: the first format runs every case, the others half of them
        const some = cases.filter(
          (_, index) => format === formats[0] || index % 2 === formats.indexOf(format) % 2,
        );
        for (const spec of some) await check(random, format, variant, spec);
      }
    });
  }

  test('q4 against rounded inputs stays within what rounding them can change', async () => {
    const random = new Random(runSeed + 2);
    expect(gpu().traits.subgroups, 'the test device offers subgroups').not.toBeNull();
    for (const [index, spec] of integerCases.entries()) {
      // a group of 128 columns needs rows of as many
      const some = integerFormats.filter(
        (format, i) => i === index % 3 || (index < 3 && 'groupSize' in format),
      );
      for (const format of some) await check(random, format, 'integer', spec);
    }
  });

  test('q4 against rounded inputs in subgroups of 32, whose lanes meet in more steps', async () => {
    const random = new Random(runSeed + 3);
    const wide = withWideSubgroups(gpu(), 32);
    for (const index of [5, 9])
      await check(random, integerFormats[0]!, 'integer', integerCases[index]!, wide);
  });

  test('columns that do not fill a block of 32 are padded', async () => {
    const random = new Random(runSeed + 1);
    for (const kind of ['f16', 'bf16', 'f32'] as const) {
      await check(random, { kind }, gpu().chooseVariant(['workgroup', 'subgroup', 'serial']), {
        rows: 9,
        columns: 75,
        finish: 'store',
        norm: true,
        bias: false,
      });
    }
  });

  async function check(
    random: Random,
    format: MatrixFormat,
    variant: MatVecVariant,
    spec: Case,
    device: Gpu = gpu(),
  ): Promise<void> {
    const { rows, columns, finish } = spec;
    const arena = new Arena(gpu());
    const { matrix, dense, magnitudes } = randomMatrix(arena, random, {
      rows,
      columns,
      format,
      ...(spec.partRows ? { rowsPerPart: spec.partRows } : {}),
    });
    const padded = (values: Float32Array): Float32Array<ArrayBuffer> => {
      const out = new Float32Array(rowStride(columns));
      out.set(values);
      return out;
    };
    const x = random.normals(columns, 3);
    if (spec.inputs === 'extreme') makeExtreme(x);
    const gain = random.normals(columns);
    const bias = random.normals(rows);
    const residual = random.normals(rows);
    const out = arena.tensorFrom('out', 'f32', [rows], residual);
    const product = await prepareMatVec(
      device,
      {
        ...{ format, finish, hasNorm: spec.norm, rows, columns },
      },
      {
        variant,
        ...(spec.pairs ? { pairs: spec.pairs } : {}),
        ...(spec.rowsPerTeam ? { rowsPerTeam: spec.rowsPerTeam } : {}),
        ...(spec.lanes ? { lanes: spec.lanes } : {}),
      },
    );
    const eps = 1e-5;
    const outputs = finish === 'gated' ? rows / 2 : rows;
    const nextGain = spec.packs === 'scaled' ? random.normals(outputs) : null;
    const packedOut = { buffer: arena.buffer('packed outputs', Math.ceil(outputs / 32) * 7 * 16) };
    const ones = new Float32Array(columns).fill(1);
    const position = (spec.ahead?.[1] ?? 0) - 1;
    submitDispatches(
      gpu(),
      product(arena, {
        label: 'out',
        matrix,
        x: spec.packed
          ? {
              // nobody may read these
              ...arena.tensorFrom('x', 'f32', [rowStride(columns)], padded(random.normals(columns))),
              packed: packedTensor(arena, packVectorReference(x, spec.norm ? gain : ones)),
            }
          : arena.tensorFrom('x', 'f32', [rowStride(columns)], padded(x)),
        ...(spec.norm
          ? { norm: { gain: arena.tensorFrom('gain', 'f32', [rowStride(columns)], padded(gain)), eps } }
          : {}),
        ...(spec.bias ? { bias: arena.tensorFrom('bias', 'f32', [rows], bias) } : {}),
        out: spec.packs ? { ...out, packed: packedOut } : out,
        ...(nextGain ? { nextGain: arena.tensorFrom('next gain', 'f32', [outputs], nextGain) } : {}),
        ...(spec.ahead
          ? {
              ahead: {
                cache: arena.tensor('cache', 'f16-packed', spec.ahead),
                step: { buffer: arena.uniform('step', Uint32Array.of(position, 1, 0, 0).buffer) },
              },
            }
          : {}),
      }),
    );
    // a gated part's rows are [gate | up] of its own outputs: bring the matrix into the reference's order
    const ordered = <T extends Float32Array | Float64Array>(values: T): T =>
      finish === 'gated' ? gateFirst(values, matrix.parts, columns) : values;
    const expected = matVecReference({
      weights: ordered(dense),
      magnitudes: ordered(magnitudes),
      rows,
      columns,
      x,
      ...(spec.norm ? { norm: { gain, eps } } : {}),
      ...(spec.bias ? { bias } : {}),
      residual,
      finish,
      roundsInputs: variant === 'integer',
    });
    const got = (await readF32(gpu(), out)).subarray(0, expected.out.length);
    // beside the sum itself: decoding, gain, norm factor, exp and division of the gate; rounding: in f32, a little more
    // than half a step
    expectClose(
      got,
      expected.out,
      (i) => dotBound(columns, expected.magnitude[i]!, 24) + 1.01 * expected.rounding[i]!,
      `mat-vec ${JSON.stringify({ format, variant, ...spec })}`,
    );
    if (spec.packs) {
      const planes = new Uint32Array(await readBytes(gpu(), packedOut, packedBytes(outputs)));
      expectPacked(planes, got, nextGain, `packed ${JSON.stringify(spec)}`);
    }
    arena.dispose();
  }
});

function packedTensor(arena: Arena, planes: Uint32Array<ArrayBuffer>): Tensor {
  return arena.tensorFrom('packed x', 'u32', [planes.length], planes);
}

/** Of blocks of 32: the first all zeros, the second tiny, in the third one input a million times the others. */
function makeExtreme(x: Float32Array): void {
  x.fill(0, 0, 32);
  for (let i = 32; i < 64; i++) x[i]! *= 1e-25;
  x[70]! *= 1e6;
}

function gateFirst<T extends Float32Array | Float64Array>(
  dense: T,
  parts: readonly { firstRow: number; rows: number }[],
  columns: number,
): T {
  const gates: number[] = [];
  const ups: number[] = [];
  for (const part of parts) {
    for (let i = 0; i < part.rows / 2; i++) {
      gates.push(part.firstRow + i);
      ups.push(part.firstRow + part.rows / 2 + i);
    }
  }
  const out = dense.slice() as T;
  [...gates, ...ups].forEach((row, index) => {
    out.set(dense.subarray(row * columns, (row + 1) * columns), index * columns);
  });
  return out;
}
