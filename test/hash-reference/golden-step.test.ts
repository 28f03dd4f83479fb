/** The reference against an independent program's step: each stage from the golden inputs of that stage. */
import { beforeAll, describe, expect, test } from 'vitest';
import {
  asymmetricPlanes,
  hammingPlanes,
  type QueryPlanes,
  quantiseQuery,
} from '../../src/kernels/hash-reference/query-planes.ref.ts';
import { applyMap, type MapStage, signatureOf } from '../../src/kernels/hash-reference/signature-map.ref.ts';
import {
  attendSets,
  type HashScoring,
  type HashShape,
  hashStep,
  tokenDistances,
} from '../../src/kernels/hash-reference/step.ref.ts';
import {
  attendedTokens,
  selectTokens,
  type TokenBudget,
  tokenRanges,
} from '../../src/kernels/hash-reference/token-set.ref.ts';
import { dotBound, expectClose, unitF32 } from '../../src/kernels/testing/expect-close.ts';
import { Checkpoint } from '../support/checkpoint.ts';
import { mapWithBound } from '../support/map-bound.ts';
import { readTestFile } from '../support/test-files.ts';

const folder = 'golden/SmolLM2-135M-Instruct-4bit';
const [qHeads, kvHeads, headDim, bits, n, group] = [9, 3, 64, 32, 2000, 3];
const queryBits = 4;

const scorings: Readonly<Record<string, HashScoring>> = {
  asymmetric: { score: 'asymmetric', queryBits, sharing: 'kv-head', lists: 'kv-head' },
  hamming: { score: 'hamming', queryBits, sharing: 'kv-head', lists: 'kv-head' },
  hamming_per_query_head: { score: 'hamming', queryBits, sharing: 'kv-head', lists: 'query-head' },
};
const modes = Object.entries(scorings).map(([mode, scoring]) => ({
  mode,
  shape: { scoring, qHeads, kvHeads, headDim } satisfies HashShape,
}));
const budgets = [64, 125].map((count) => ({
  count,
  budget: { sink: 128, window: 128, count, share: 0 } satisfies TokenBudget,
}));

describe.each([5, 17])('layer %i', (layer) => {
  let golden: Checkpoint;
  let maps: { readonly query: MapStage[]; readonly key: MapStage[] };
  const values = (name: string): Float64Array => golden.values(`layers.${layer}.${name}`);
  const rows = (name: string, width: number): Float64Array[] => {
    const all = values(name);
    return Array.from({ length: all.length / width }, (_, row) => all.slice(row * width, (row + 1) * width));
  };

  beforeAll(async () => {
    const read = async (file: string) => {
      const bytes = await readTestFile(`${folder}/${file}`);
      if (!bytes) throw new Error(`${folder} has no ${file}`);
      return new Checkpoint(new Map([[file, bytes]]));
    };
    golden = await read('hash_step.safetensors');
    const weights = await read('hash_attention.safetensors');
    const stagesOf = (of: string, widths: readonly number[]): MapStage[] =>
      widths.slice(1).map((outputs, stage) => ({
        inputs: widths[stage]!,
        outputs,
        weight: weights.values(`layers.${layer}.${of}.${stage}.weight`),
        bias: weights.values(`layers.${layer}.${of}.${stage}.bias`),
      }));
    maps = { query: stagesOf('query', [64, 64, 32]), key: stagesOf('key', [64, 64, 32]) };
  });

  /** The golden planes of a mode, by list. */
  function goldenPlanes(mode: string): QueryPlanes[] {
    if (mode === 'asymmetric') {
      const exponents = [0, 1, 2, 3];
      return rows('query_planes', queryBits).map((words) => ({ exponents, words: Uint32Array.from(words) }));
    }
    const signatures = Uint32Array.from(values('query_signature'));
    const planes = mode === 'hamming' ? group : 1;
    return Array.from({ length: qHeads / planes }, (_, list) => ({
      exponents: new Array<number>(planes).fill(0),
      words: signatures.slice(list * planes, (list + 1) * planes),
    }));
  }
  const goldenSignatures = () =>
    rows('key_signature', n).map((ofHead) => Array.from(ofHead, (word) => Uint32Array.of(word)));

  test('query maps and their sum, within f32 rounding', () => {
    const mapped = rows('query_map', bits);
    rows('query', headDim).forEach((query, head) => {
      const { values: expected, bounds } = mapWithBound(maps.query, head, query);
      expectClose(mapped[head]!, expected, (i) => bounds[i]!, `query map ${head}`);
    });
    rows('query_sum', bits).forEach((sum, list) => {
      const ofGroup = mapped.slice(list * group, (list + 1) * group);
      const total = (term: (value: number) => number) =>
        Float64Array.from(sum, (_, i) => ofGroup.reduce((all, each) => all + term(each[i]!), 0));
      const magnitude = total(Math.abs);
      expectClose(sum, total(Number), (i) => dotBound(group, magnitude[i]!), `sum of list ${list}`);
    });
  });

  test('query weights and planes, equal', () => {
    const weights = rows('query_weights', bits);
    const planes = goldenPlanes('asymmetric');
    rows('query_sum', bits).forEach((sum, list) => {
      const scale = Math.max(...sum.map(Math.abs)) / 7.5;
      const got = quantiseQuery(sum, queryBits);
      got.forEach((weight, i) => {
        const steps = sum[i]! / scale;
        if (Math.abs(steps - Math.round(steps)) > 1e-5) expect(weight).toBe(weights[list]![i]);
      });
      expect(asymmetricPlanes(weights[list]!, queryBits)).toEqual(planes[list]);
    });
    expect(rows('query_map', bits).map((mapped) => hammingPlanes([mapped]))).toEqual(
      goldenPlanes('hamming_per_query_head'),
    );
  });

  test('key signatures, equal where the map is not within 1e-4 of zero', () => {
    const [margins, signatures] = [rows('key_margin', n), goldenSignatures()];
    let wrong = 0;
    rows('key', n * headDim).forEach((keys, head) => {
      for (let token = 0; token < n; token++) {
        const mapped = applyMap(maps.key, head, keys.subarray(token * headDim, (token + 1) * headDim));
        const differing = signatureOf(mapped)[0]! ^ signatures[head]![token]![0]!;
        mapped.forEach((value, i) => {
          if (((differing >>> i) & 1) === 1 && Math.abs(value) >= 1e-4) wrong++;
        });
        const margin = Math.min(...mapped.map(Math.abs));
        if (Math.abs(margin - margins[head]![token]!) >= 1e-4) wrong++;
      }
    });
    expect(wrong).toBe(0);
  });

  test.each(modes)('$mode: distances, equal', ({ mode, shape }) => {
    const distances = tokenDistances(shape, goldenPlanes(mode), goldenSignatures());
    expect(distances.map((ofList) => [...ofList])).toEqual(
      rows(`${mode}.distance`, n).map((ofList) => [...ofList]),
    );
  });

  describe.each(budgets)('$count tokens selected', ({ count, budget }) => {
    const ranges = tokenRanges(n, budget);

    test.each(modes)('$mode: lists, equal', ({ mode }) => {
      expect(rows(`${mode}.distance`, n).map((distances) => selectTokens(distances, ranges))).toEqual(
        rows(`${mode}.selected_${count}`, count).map((list) => [...list]),
      );
    });

    test.each(modes)('$mode: output with and without tail', ({ mode, shape }) => {
      const [query, keys, cached] = [values('query'), values('key'), values('value')];
      const sets = rows(`${mode}.selected_${count}`, count).map((list) =>
        attendedTokens(n, ranges, [...list]),
      );
      for (const tail of ['none', 'mean'] as const) {
        const name = `${mode}.output_${count}${tail === 'mean' ? '_tail' : ''}`;
        const output = attendSets(shape, { query, keys, values: cached, tail }, sets);
        // Golden outputs are doubles rounded to f32.
        expectClose(output, values(name), (i) => 2 * unitF32 * Math.abs(output[i]!) + 1e-9, name);
      }
    });
  });

  test('a list of every candidate gives dense attention', () => {
    const [query, keys, cached] = [values('query'), values('key'), values('value')];
    const everything = Array.from({ length: n }, (_, token) => token);
    const sets = new Array<number[]>(kvHeads).fill(everything);
    const { shape } = modes[0]!;
    const output = attendSets(shape, { query, keys, values: cached, tail: 'mean' }, sets);
    const bound = (i: number) => 2 * unitF32 * Math.abs(output[i]!) + 1e-9;
    expectClose(output, values('dense_output'), bound, 'dense output');
  });

  test.each(modes)('$mode: the whole step from query and cache gives the golden lists', ({ mode, shape }) => {
    const { lists } = hashStep({
      ...shape,
      queryMap: maps.query,
      keyMap: maps.key,
      query: values('query'),
      keys: values('key'),
      values: values('value'),
      budget: { sink: 128, window: 128, count: 0, share: 65536 / 16 },
      tail: 'none',
    });
    expect(lists).toEqual(rows(`${mode}.selected_125`, 125).map((list) => [...list]));
  });
});
