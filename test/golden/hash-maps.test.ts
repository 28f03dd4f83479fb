/** Query planes that follow from the reference maps, and signatures, against an independent program's step over real keys. */
import { describe, expect, test } from 'vitest';
import { prepareHashKeys } from '../../src/kernels/hash-keys/hash-keys.ts';
import { prepareHashQuery } from '../../src/kernels/hash-query/hash-query.ts';
import { applyMap, type MapStage } from '../../src/kernels/hash-reference/signature-map.ref.ts';
import { type HashScoring, queryPlanes } from '../../src/kernels/hash-reference/step.ref.ts';
import { Arena } from '../../src/kernels/runtime/arena.ts';
import { submitDispatches } from '../../src/kernels/runtime/dispatch.ts';
import { readF32, readU32 } from '../../src/kernels/runtime/readback.ts';
import { signatureMapOf } from '../../src/kernels/testing/random-signature-map.ts';
import { withGpu } from '../../src/kernels/testing/with-gpu.ts';
import { Checkpoint } from '../support/checkpoint.ts';
import { readTestFile } from '../support/test-files.ts';

const folder = 'golden/SmolLM2-135M-Instruct-4bit';
const [qHeads, kvHeads, headDim, bits, length] = [9, 3, 64, 32, 2000];

/** Bits may differ only where a map's value is this near to zero, */
const signMargin = 1e-4;
/** and levels only where s / scale is this near to an integer. */
const levelMargin = 1e-5;

async function readGolden(file: string): Promise<Checkpoint> {
  const bytes = await readTestFile(`${folder}/${file}`);
  if (!bytes) throw new Error(`${folder} has no ${file}`);
  return new Checkpoint(new Map([[file, bytes]]));
}

function stagesOf(maps: Checkpoint, name: string): MapStage[] {
  return [64, 32].map((outputs, stage) => ({
    inputs: 64,
    outputs,
    weight: maps.values(`${name}.${stage}.weight`),
    bias: maps.values(`${name}.${stage}.bias`),
  }));
}

/** A word with the bits set that must agree. */
function mask(isCertain: (bit: number) => boolean): number {
  return Array.from({ length: bits }, (_, bit) => bit).reduce(
    (word, bit) => (isCertain(bit) ? word | (1 << bit) : word),
    0,
  );
}

/** Fails where two words differ in a bit that must agree. */
function expectBits(got: number, expected: number, certain: number, what: string): void {
  const wrong = (got ^ expected) & certain;
  if (wrong !== 0) {
    throw new Error(`${what}: expected ${expected >>> 0}, got ${got >>> 0}, wrong bits ${wrong >>> 0}`);
  }
}

describe.each([5, 17])('hashing in layer %i', (layer) => {
  const gpu = withGpu();

  test('gives the golden planes and signatures', async () => {
    const golden = await readGolden('hash_step.safetensors');
    const maps = await readGolden('hash_attention.safetensors');
    const values = (name: string): Float64Array => golden.values(`layers.${layer}.${name}`);
    const queryStages = stagesOf(maps, `layers.${layer}.query`);
    const keyStages = stagesOf(maps, `layers.${layer}.key`);

    const arena = new Arena(gpu());
    const common = {
      kvHeads,
      headDim,
      capacity: length,
      keyCache: arena.tensorFrom(
        'keys',
        'f16-packed',
        [kvHeads, length, headDim],
        new Uint32Array(golden.bytes(`layers.${layer}.key`).slice().buffer),
      ),
      keyMap: signatureMapOf(arena, kvHeads, keyStages),
    };
    const stepOf = (position: number, rows: number) => ({
      buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer),
    });
    const bulk = arena.tensor('bulk', 'u32', [kvHeads, length]);
    const decoded = arena.tensor('decoded', 'u32', [kvHeads, length]);
    const hashKeys = await prepareHashKeys(gpu(), { width: 64 });
    submitDispatches(gpu(), [
      hashKeys(arena, { ...common, label: 'keys', step: stepOf(0, length), rows: length, signatures: bulk }),
    ]);
    const query = arena.tensorFrom('query', 'f32', [qHeads, headDim], Float32Array.from(values('query')));
    const queryMap = signatureMapOf(arena, qHeads, queryStages);
    const mapped = arena.tensor('mapped', 'f32', [qHeads, bits]);
    const hashQuery = await prepareHashQuery(gpu(), { qHeads, width: 64 });
    const step = stepOf(length - 1, 1);
    submitDispatches(gpu(), [
      hashQuery(arena, { ...common, label: 'query', step, query, queryMap, mapped, signatures: decoded }),
    ]);
    const got = await readF32(gpu(), mapped);
    const rows = Array.from({ length: qHeads }, (_, head) => got.subarray(head * bits, (head + 1) * bits));
    const planesOf = (scoring: Pick<HashScoring, 'score' | 'lists'>): number[] => {
      const shape = { ...scoring, queryBits: 4, sharing: 'kv-head' as const };
      return queryPlanes({ scoring: shape, qHeads, kvHeads, headDim }, rows).flatMap(({ words }) => [
        ...words,
      ]);
    };

    const planes = planesOf({ score: 'asymmetric', lists: 'kv-head' });
    const sums = values('query_sum');
    const goldenPlanes = values('query_planes');
    for (let list = 0; list < kvHeads; list++) {
      const sum = sums.subarray(list * bits, (list + 1) * bits);
      const scale = sum.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 7.5;
      const certain = mask((bit) => {
        const quotient = sum[bit]! / scale;
        return Math.abs(quotient - Math.round(quotient)) > levelMargin;
      });
      for (let plane = 0; plane < 4; plane++) {
        const at = list * 4 + plane;
        expectBits(planes[at]!, goldenPlanes[at]!, certain, `list ${list}, plane ${plane}`);
      }
    }

    const signs = planesOf({ score: 'hamming', lists: 'query-head' });
    const goldenMapped = values('query_map');
    values('query_signature').forEach((expected, head) => {
      const certain = mask((bit) => Math.abs(goldenMapped[head * bits + bit]!) > signMargin);
      expectBits(signs[head]!, expected, certain, `query head ${head}`);
    });

    const signatures = await readU32(gpu(), bulk);
    const keys = values('key');
    const margins = values('key_margin');
    values('key_signature').forEach((expected, row) => {
      let certain = -1;
      if (margins[row]! <= signMargin) {
        const head = Math.floor(row / length);
        const exact = applyMap(keyStages, head, keys.subarray(row * headDim, (row + 1) * headDim));
        certain = mask((bit) => Math.abs(exact[bit]!) > signMargin);
      }
      expectBits(signatures[row]!, expected, certain, `key ${row}`);
    });
    const alone = await readU32(gpu(), decoded);
    for (let head = 0; head < kvHeads; head++) {
      const last = (head + 1) * length - 1;
      expect(alone[last], `the last key of head ${head}, hashed in decode`).toBe(signatures[last]);
    }
    arena.dispose();
  });
});
