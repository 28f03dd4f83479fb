import { describe, expect, test } from 'vitest';
import { boundedMap } from '../hash-query/hash-query.ref.ts';
import { prepareHashQuery } from '../hash-query/hash-query.ts';
import { applyMap, signatureOf } from '../hash-reference/signature-map.ref.ts';
import { Arena } from '../runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../runtime/dispatch.ts';
import { readF32, readU32 } from '../runtime/readback.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { onHardware } from '../testing/on-hardware.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomSignatureMap, signatureMapOf } from '../testing/random-signature-map.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { prepareHashKeys } from './hash-keys.ts';

interface Case {
  readonly kvHeads: number;
  readonly signaturesPerKey: number;
  readonly widths: readonly number[];
  readonly capacity: number;
}

const cases: readonly Case[] = [
  { kvHeads: 3, signaturesPerKey: 1, widths: [64, 64, 32], capacity: 150 },
  { kvHeads: 2, signaturesPerKey: 3, widths: [34, 19, 7, 64], capacity: 80 },
  { kvHeads: 1, signaturesPerKey: 1, widths: [128, 128, 128, 32], capacity: 70 },
  { kvHeads: 2, signaturesPerKey: 1, widths: [96, 250, 64], capacity: 37 },
  { kvHeads: 1, signaturesPerKey: 2, widths: [2, 32], capacity: 300 },
];

/** Pipelines with barriers take seconds to compile on a CPU adapter: a run draws one case beside the default model's. */
const drawn = onHardware ? cases : [cases[0]!, cases[new Random(runSeed).integer(1, cases.length - 1)]!];

const poison = 0xdeadbeef;

describe(`hash-keys (seed ${runSeed})`, () => {
  const gpu = withGpu();

  drawn.forEach((shape, index) => {
    test(`every variant, and decode token by token, give one set of signatures: ${JSON.stringify(shape)}`, async () => {
      const { kvHeads, signaturesPerKey, widths, capacity } = shape;
      const arena = new Arena(gpu());
      const random = new Random(runSeed + index);
      const headDim = widths[0]!;
      const bits = widths.at(-1)!;
      const words = bits / 32;
      const heads = kvHeads * signaturesPerKey;
      const width = Math.max(...widths);
      const { map, stages } = randomSignatureMap(arena, random, heads, widths);
      const keys = random
        .normals(kvHeads * capacity * headDim)
        .map((value) => floatFromHalf(halfFromFloat(value)));
      const keyWords = Uint32Array.from(
        { length: keys.length / 2 },
        (_, i) => halfFromFloat(keys[2 * i]!) | (halfFromFloat(keys[2 * i + 1]!) << 16),
      );
      const cache = { kvHeads, headDim, capacity };
      const keyCache = arena.tensorFrom('keys', 'f16-packed', [kvHeads, capacity, headDim], keyWords);
      const stepOf = (position: number, rows: number) => ({
        buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer),
      });
      const count = heads * capacity * words;
      const signaturesOf = async (build: (signatures: ReturnType<Arena['tensor']>) => Dispatch[]) => {
        const signatures = arena.tensorFrom(
          'signatures',
          'u32',
          [count],
          new Uint32Array(count).fill(poison),
        );
        submitDispatches(gpu(), build(signatures));
        return readU32(gpu(), signatures);
      };

      const workgroup = await prepareHashKeys(gpu(), { width, variant: 'workgroup' });
      const serial = await prepareHashKeys(gpu(), { width, variant: 'serial' });
      const whole = {
        label: 'keys',
        step: stepOf(0, capacity),
        rows: capacity,
        keyCache,
        keyMap: map,
        ...cache,
      };
      const all = await signaturesOf((signatures) => [workgroup(arena, { ...whole, signatures })]);

      let uncertain = 0;
      for (let head = 0; head < heads; head++) {
        for (let token = 0; token < capacity; token++) {
          const row = (Math.floor(head / signaturesPerKey) * capacity + token) * headDim;
          const { values, bounds } = boundedMap(stages, head, keys.subarray(row, row + headDim));
          values.forEach((value, bit) => {
            if (Math.abs(value) <= bounds[bit]!) {
              uncertain++;
              return;
            }
            const got = (all[(head * capacity + token) * words + (bit >> 5)]! >>> (bit & 31)) & 1;
            if (got !== (value > 0 ? 1 : 0)) {
              throw new Error(`head ${head}, token ${token}, bit ${bit}: value ${value}, got bit ${got}`);
            }
          });
        }
      }
      expect(uncertain, 'few bits are uncertain').toBeLessThan(0.03 * heads * capacity * bits + 3);

      // The serial kernel adds in the same order, hence the same bits.
      expect(await signaturesOf((signatures) => [serial(arena, { ...whole, signatures })])).toEqual(all);

      // Chunks of any size, dispatched for more rows than they have; what is outside keeps its contents.
      const begin = random.integer(1, capacity - 2);
      const end = random.integer(begin + 1, capacity - 1);
      const middle = random.integer(begin, end);
      for (const kernel of [workgroup, serial]) {
        const chunks = await signaturesOf((signatures) =>
          [
            [begin, middle],
            [middle, end],
          ].map(([first, last]) =>
            kernel(arena, {
              ...whole,
              step: stepOf(first!, last! - first!),
              rows: capacity,
              signatures,
            }),
          ),
        );
        const expected = all.map((word, i) => {
          const token = Math.floor(i / words) % capacity;
          return token >= begin && token < end ? word : poison;
        });
        expect(chunks, `tokens ${begin} to ${end}, cut at ${middle}`).toEqual(expected);
      }

      // Rows beyond the capacity are left out.
      const late = await signaturesOf((signatures) => [
        workgroup(arena, { ...whole, step: stepOf(capacity - 1, 5), rows: 5, signatures }),
      ]);
      expect(late.filter((word) => word !== poison).length).toBeLessThanOrEqual(heads * words);

      // Decode hashes the same keys one by one to the same bits.
      const tokens = Array.from({ length: 4 }, () => random.integer(0, capacity - 1));
      const first = ['workgroup', 'subgroup', 'serial'] as const;
      for (const variant of index === 0 ? first : (['serial'] as const)) {
        const hashQuery = await prepareHashQuery(gpu(), { qHeads: heads, width, variant });
        const decoded = await signaturesOf((signatures) => {
          const query = arena.tensor('query', 'f32', [heads, headDim]);
          const mapped = arena.tensor('mapped', 'f32', [heads, 32 * words]);
          return tokens.map((token) =>
            hashQuery(arena, {
              label: `token ${token}`,
              step: stepOf(token, 1),
              query,
              keyCache,
              queryMap: map,
              keyMap: map,
              mapped,
              signatures,
              ...cache,
            }),
          );
        });
        const expected = all.map((word, i) =>
          tokens.includes(Math.floor(i / words) % capacity) ? word : poison,
        );
        expect(decoded, `decode, ${variant}`).toEqual(expected);
      }
      arena.dispose();
    });
  });

  test('values that are rounding errors alone get the same bits everywhere: every kernel adds in one order', async () => {
    const arena = new Arena(gpu());
    const random = new Random(runSeed);
    const [kvHeads, headDim, capacity] = [3, 64, 5];
    const { stages } = randomSignatureMap(arena, random, kvHeads, [headDim, 64, 32]);
    const heads = Array.from({ length: kvHeads }, () =>
      random.normals(headDim).map((value) => floatFromHalf(halfFromFloat(value))),
    );
    // The last bias takes away what a head's key comes to; what is left depends on the order of the sum.
    const [first, last] = [stages[0]!, stages[1]!];
    const unbiased = [first, { ...last, bias: new Float32Array(kvHeads * 32) }];
    const bias = Float32Array.from(
      heads.flatMap((key, head) => [...applyMap(unbiased, head, key)].map((value) => -value)),
    );
    const map = signatureMapOf(arena, kvHeads, [first, { ...last, bias }]);
    const keyWords = Uint32Array.from(
      heads.flatMap((key) => Array.from({ length: capacity }, () => [...key]).flat()),
      halfFromFloat,
    );
    const keyCache = arena.tensorFrom(
      'keys',
      'f16-packed',
      [kvHeads, capacity, headDim],
      keyWords.filter((_, i) => i % 2 === 0).map((low, i) => low | (keyWords[2 * i + 1]! << 16)),
    );
    const cache = { keyCache, kvHeads, headDim, capacity };
    const stepOf = (position: number, rows: number) => ({
      buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer),
    });
    const results: Uint32Array[] = [];
    for (const variant of ['workgroup', 'subgroup', 'serial'] as const) {
      const bulk = variant === 'serial' ? 'serial' : 'workgroup';
      const hashKeys = await prepareHashKeys(gpu(), { width: 64, variant: bulk });
      const hashQuery = await prepareHashQuery(gpu(), { qHeads: kvHeads, width: 64, variant });
      const signatures = arena.tensor('bulk', 'u32', [kvHeads, capacity]);
      const decoded = arena.tensor('decoded', 'u32', [kvHeads, capacity]);
      const mapped = arena.tensor('mapped', 'f32', [kvHeads, 32]);
      // The query maps are the key maps: their signs are a third way to the same bits.
      const query = arena.tensorFrom(
        'query',
        'f32',
        [kvHeads, headDim],
        Float32Array.from(heads.flatMap((key) => [...key])),
      );
      submitDispatches(gpu(), [
        hashKeys(arena, {
          ...cache,
          label: 'bulk',
          step: stepOf(0, capacity),
          rows: capacity,
          keyMap: map,
          signatures,
        }),
        ...Array.from({ length: capacity }, (_, token) =>
          hashQuery(arena, {
            ...cache,
            label: `token ${token}`,
            step: stepOf(token, 1),
            query,
            queryMap: map,
            keyMap: map,
            mapped,
            signatures: decoded,
          }),
        ),
      ]);
      const values = await readF32(gpu(), mapped);
      const perHead = Array.from(
        { length: kvHeads },
        (_, head) => signatureOf(values.subarray(32 * head, 32 * head + 32))[0]!,
      );
      results.push(
        await readU32(gpu(), signatures),
        await readU32(gpu(), decoded),
        Uint32Array.from({ length: kvHeads * capacity }, (_, i) => perHead[Math.floor(i / capacity)]!),
      );
    }
    for (const result of results) expect(result).toEqual(results[0]);
    const signs = [...results[0]!].map((word) => word.toString(2).replaceAll('0', '').length);
    const share = signs.reduce((a, b) => a + b) / (kvHeads * capacity * 32);
    expect(share, 'rounding errors have either sign').toBeGreaterThan(0.1);
    expect(share, 'rounding errors have either sign').toBeLessThan(0.9);
    arena.dispose();
  });
});
