import { describe, expect, test } from 'vitest';
import { quantiseQuery } from '../hash-reference/query-planes.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readU32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomSignatureMap, signatureMapOf } from '../testing/random-signature-map.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { type BoundedValues, boundedMap, boundedSum, certainLevels } from './hash-query.ref.ts';
import { type HashQueryVariant, prepareHashQuery, type QueryScore } from './hash-query.ts';

interface Case {
  readonly kvHeads: number;
  readonly group: number;
  /** Of the query maps; the first is headDim, the last the bits. */
  readonly queryWidths: readonly number[];
  readonly keyWidths: readonly number[];
  readonly sharing: 'kv-head' | 'query-head';
  readonly score: QueryScore;
}

const hamming = { kind: 'hamming' } as const;
const asymmetric = (queryBits: number, summed: number): QueryScore => ({
  kind: 'asymmetric',
  queryBits,
  summed,
});

const cases: readonly Case[] = [
  {
    kvHeads: 3,
    group: 3,
    queryWidths: [64, 64, 32],
    keyWidths: [64, 64, 32],
    sharing: 'kv-head',
    score: asymmetric(4, 3),
  },
  {
    kvHeads: 2,
    group: 4,
    queryWidths: [128, 128, 128, 32],
    keyWidths: [128, 128, 128, 32],
    sharing: 'query-head',
    score: hamming,
  },
  {
    kvHeads: 2,
    group: 5,
    queryWidths: [34, 33, 7, 64],
    keyWidths: [34, 19, 64],
    sharing: 'kv-head',
    score: asymmetric(1, 5),
  },
  {
    kvHeads: 1,
    group: 8,
    queryWidths: [256, 256, 64],
    keyWidths: [256, 64],
    sharing: 'kv-head',
    score: asymmetric(3, 8),
  },
  {
    kvHeads: 3,
    group: 2,
    queryWidths: [96, 32],
    keyWidths: [96, 130, 32],
    sharing: 'query-head',
    score: asymmetric(2, 1),
  },
  {
    kvHeads: 1,
    group: 1,
    queryWidths: [2, 1, 3, 5, 32],
    keyWidths: [2, 32],
    sharing: 'kv-head',
    score: hamming,
  },
];

/** Pipelines with barriers take seconds to compile on a CPU adapter: a run draws one case beside the default model's. */
function casesOf(variant: HashQueryVariant): readonly Case[] {
  if (variant === 'serial') return cases;
  return [cases[0]!, cases[new Random(runSeed).integer(1, cases.length - 1)]!];
}

const poison = 0xdeadbeef;

function bitOf(words: ArrayLike<number>, firstWord: number, bit: number): number {
  return (words[firstWord + (bit >> 5)]! >>> (bit & 31)) & 1;
}

describe(`hash-query (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const variant of ['workgroup', 'serial'] as const) {
    casesOf(variant).forEach((shape, index) => {
      test(`${variant} gives planes and signature of ${JSON.stringify(shape)}`, async () => {
        const { kvHeads, group, queryWidths, keyWidths, sharing, score } = shape;
        const arena = new Arena(gpu());
        const random = new Random(runSeed + index);
        const qHeads = kvHeads * group;
        const headDim = queryWidths[0]!;
        const bits = queryWidths.at(-1)!;
        const words = bits / 32;
        const signatureHeads = sharing === 'kv-head' ? kvHeads : qHeads;
        const queryMap = randomSignatureMap(arena, random, qHeads, queryWidths);
        const keyMap = randomSignatureMap(arena, random, signatureHeads, keyWidths);
        const summed = score.kind === 'asymmetric' ? score.summed : 1;
        const planes = score.kind === 'asymmetric' ? score.queryBits : 1;
        const units = qHeads / summed;

        const capacity = random.integer(1, 9);
        const queries = random.normals(qHeads * headDim);
        const keys = random.normals(kvHeads * capacity * headDim).map((x) => floatFromHalf(halfFromFloat(x)));
        const keyWords = Uint32Array.from(
          { length: keys.length / 2 },
          (_, i) => halfFromFloat(keys[2 * i]!) | (halfFromFloat(keys[2 * i + 1]!) << 16),
        );
        const filled = (count: number) => new Uint32Array(count).fill(poison);
        const signatureCount = signatureHeads * capacity * words;
        const signatures = arena.tensorFrom('signatures', 'u32', [signatureCount], filled(signatureCount));
        const planeCount = units * planes * words;
        const planeTensor = arena.tensorFrom('planes', 'u32', [planeCount], filled(planeCount));
        const stepBuffer = arena.uniform('step', new ArrayBuffer(16));
        const hashQuery = await prepareHashQuery(gpu(), {
          score,
          qHeads,
          width: Math.max(...queryWidths, ...keyWidths),
          variant,
        });
        const dispatch = hashQuery(arena, {
          label: 'hash',
          step: { buffer: stepBuffer },
          query: arena.tensorFrom('query', 'f32', [qHeads, headDim], queries),
          keyCache: arena.tensorFrom('keys', 'f16-packed', [kvHeads, capacity, headDim], keyWords),
          queryMap: queryMap.map,
          keyMap: keyMap.map,
          planes: planeTensor,
          signatures,
          kvHeads,
          headDim,
          capacity,
        });

        const mapped: BoundedValues[] = [];
        for (let head = 0; head < qHeads; head++) {
          mapped.push(
            boundedMap(queryMap.stages, head, queries.subarray(head * headDim, (head + 1) * headDim)),
          );
        }
        // The second time the cache is full: planes come all the same, and no signature.
        const written = random.integer(0, capacity - 1);
        for (const position of [written, capacity]) {
          gpu().device.queue.writeBuffer(stepBuffer, 0, Uint32Array.of(position, 1, 0, 0));
          submitDispatches(gpu(), [dispatch]);
          const got = await readU32(gpu(), planeTensor);
          gpu().device.queue.writeBuffer(planeTensor.buffer, 0, filled(planeCount));
          let compared = 0;
          for (let unit = 0; unit < units; unit++) {
            const sum = boundedSum(mapped.slice(unit * summed, (unit + 1) * summed));
            const levels =
              score.kind === 'asymmetric'
                ? quantiseQuery(sum.values, score.queryBits).map((w) => (w + 2 ** score.queryBits - 1) / 2)
                : Int32Array.from(sum.values, (value) => (value > 0 ? 1 : 0));
            const isCertain =
              score.kind === 'asymmetric'
                ? certainLevels(sum, score.queryBits)
                : [...sum.values].map((value, i) => Math.abs(value) > sum.bounds[i]!);
            for (let bit = 0; bit < bits; bit++) {
              if (!isCertain[bit]) continue;
              compared++;
              let level = 0;
              for (let plane = 0; plane < planes; plane++) {
                level |= bitOf(got, (unit * planes + plane) * words, bit) << plane;
              }
              expect(level, `unit ${unit}, element ${bit} = ${sum.values[bit]}`).toBe(levels[bit]);
            }
          }
          expect(compared, 'most levels are certain').toBeGreaterThan(0.8 * units * bits);
        }

        const gotSignatures = await readU32(gpu(), signatures);
        for (let head = 0; head < signatureHeads; head++) {
          for (let token = 0; token < capacity; token++) {
            const first = (head * capacity + token) * words;
            if (token !== written) {
              expect([...gotSignatures.subarray(first, first + words)], 'other tokens keep theirs').toEqual([
                ...filled(words),
              ]);
              continue;
            }
            const row = (Math.floor(head / (signatureHeads / kvHeads)) * capacity + token) * headDim;
            const { values, bounds } = boundedMap(keyMap.stages, head, keys.subarray(row, row + headDim));
            let compared = 0;
            for (let bit = 0; bit < bits; bit++) {
              if (Math.abs(values[bit]!) <= bounds[bit]!) continue;
              compared++;
              expect(bitOf(gotSignatures, first, bit), `head ${head}, value ${values[bit]}`).toBe(
                values[bit]! > 0 ? 1 : 0,
              );
            }
            expect(compared, 'most bits are certain').toBeGreaterThan(0.8 * bits);
          }
        }
        arena.dispose();
      });
    });

    test(`${variant} takes scale 1 where all sums are zero, and zero for a negative sign`, async () => {
      const arena = new Arena(gpu());
      const zeros = (heads: number) => [
        {
          inputs: 64,
          outputs: 32,
          weight: new Float32Array(heads * 2048),
          bias: new Float32Array(heads * 32),
        },
      ];
      const planes = arena.tensor('planes', 'u32', [2, 4, 1]);
      const signatures = arena.tensorFrom('signatures', 'u32', [2, 1, 1], Uint32Array.of(poison, poison));
      const hashQuery = await prepareHashQuery(gpu(), {
        score: asymmetric(4, 3),
        qHeads: 6,
        width: 64,
        variant,
      });
      submitDispatches(gpu(), [
        hashQuery(arena, {
          label: 'zeros',
          step: { buffer: arena.uniform('step', new ArrayBuffer(16)) },
          query: arena.tensorFrom('query', 'f32', [6, 64], new Random(runSeed).normals(384)),
          keyCache: arena.tensor('keys', 'f16-packed', [2, 1, 64]),
          queryMap: signatureMapOf(arena, 6, zeros(6)),
          keyMap: signatureMapOf(arena, 2, zeros(2)),
          planes,
          signatures,
          kvHeads: 2,
          headDim: 64,
          capacity: 1,
        }),
      ]);
      // floor(0) + 8 is level 8: only the plane of weight 8 is set.
      const level8 = [0, 0, 0, 0xffffffff];
      expect([...(await readU32(gpu(), planes))]).toEqual([...level8, ...level8]);
      expect([...(await readU32(gpu(), signatures))]).toEqual([0, 0]);
      arena.dispose();
    });
  }
});
