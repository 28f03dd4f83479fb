import { describe, expect, test } from 'vitest';
import { Arena, bufferUsage } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import type { KernelVariant } from '../runtime/gpu.ts';
import { readF32, readU32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { expectClose } from '../testing/expect-close.ts';
import { onHardware } from '../testing/on-hardware.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomSignatureMap } from '../testing/random-signature-map.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { boundedMap } from './hash-query.ref.ts';
import { prepareHashQuery } from './hash-query.ts';

interface Case {
  readonly kvHeads: number;
  readonly group: number;
  /** Of the query maps; the first is headDim, the last the bits. */
  readonly queryWidths: readonly number[];
  readonly keyWidths: readonly number[];
  readonly sharing: 'kv-head' | 'query-head';
}

const cases: readonly Case[] = [
  {
    kvHeads: 3,
    group: 3,
    queryWidths: [64, 64, 32],
    keyWidths: [64, 64, 32],
    sharing: 'kv-head',
  },
  {
    kvHeads: 2,
    group: 4,
    queryWidths: [128, 128, 128, 32],
    keyWidths: [128, 128, 128, 32],
    sharing: 'query-head',
  },
  {
    kvHeads: 2,
    group: 5,
    queryWidths: [34, 33, 7, 64],
    keyWidths: [34, 19, 64],
    sharing: 'kv-head',
  },
  {
    kvHeads: 1,
    group: 8,
    queryWidths: [256, 256, 64],
    keyWidths: [256, 64],
    sharing: 'kv-head',
  },
  {
    kvHeads: 3,
    group: 2,
    queryWidths: [96, 32],
    keyWidths: [96, 130, 32],
    sharing: 'query-head',
  },
  {
    kvHeads: 1,
    group: 1,
    queryWidths: [2, 1, 3, 5, 32],
    keyWidths: [2, 32],
    sharing: 'kv-head',
  },
];

/** Pipelines with barriers take seconds to compile on a CPU adapter: a run draws one case beside the default model's. */
function casesOf(variant: KernelVariant): readonly Case[] {
  if (variant === 'serial') return cases;
  const fitting = variant === 'workgroup' ? cases : cases.filter(fitsSubgroups);
  if (onHardware) return fitting;
  return [fitting[0]!, fitting[new Random(runSeed).integer(1, fitting.length - 1)]!];
}

function fitsSubgroups({ queryWidths, keyWidths }: Case): boolean {
  return Math.max(...queryWidths, ...keyWidths) <= 128;
}

const poison = 0xdeadbeef;

function bitOf(words: ArrayLike<number>, firstWord: number, bit: number): number {
  return (words[firstWord + (bit >> 5)]! >>> (bit & 31)) & 1;
}

describe(`hash-query (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const variant of ['workgroup', 'subgroup', 'serial'] as const) {
    casesOf(variant).forEach((shape, index) => {
      test(`${variant} gives maps and signature of ${JSON.stringify(shape)}`, async () => {
        const { kvHeads, group, queryWidths, keyWidths, sharing } = shape;
        const arena = new Arena(gpu());
        const random = new Random(runSeed + index);
        const qHeads = kvHeads * group;
        const headDim = queryWidths[0]!;
        const bits = queryWidths.at(-1)!;
        const words = bits / 32;
        const signatureHeads = sharing === 'kv-head' ? kvHeads : qHeads;
        const queryMap = randomSignatureMap(arena, random, qHeads, queryWidths);
        const keyMap = randomSignatureMap(arena, random, signatureHeads, keyWidths);
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
        const mapped = arena.tensor('mapped', 'f32', [qHeads, bits]);
        const stepBuffer = arena.buffer('step', 16, bufferUsage.uniform | bufferUsage.copyDst);
        const hashQuery = await prepareHashQuery(gpu(), {
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
          mapped,
          signatures,
          kvHeads,
          headDim,
          capacity,
        });

        const expected = Array.from({ length: qHeads }, (_, head) =>
          boundedMap(queryMap.stages, head, queries.subarray(head * headDim, (head + 1) * headDim)),
        );
        const bounds = expected.flatMap((head) => [...head.bounds]);
        // The second time the cache is full: maps run all the same, and no signature is written.
        const written = random.integer(0, capacity - 1);
        for (const position of [written, capacity]) {
          gpu().device.queue.writeBuffer(stepBuffer, 0, Uint32Array.of(position, 1, 0, 0));
          gpu().device.queue.writeBuffer(mapped.buffer, 0, new Float32Array(qHeads * bits).fill(Number.NaN));
          submitDispatches(gpu(), [dispatch]);
          expectClose(
            await readF32(gpu(), mapped),
            expected.flatMap((head) => [...head.values]),
            (i) => bounds[i]!,
            `mapped at ${position}`,
          );
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
  }
});
