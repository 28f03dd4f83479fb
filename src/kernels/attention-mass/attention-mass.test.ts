import { describe, expect, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomRows } from '../testing/random-rows.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { prepareAttentionMass } from './attention-mass.ts';

describe(`attention-mass (seed ${runSeed})`, () => {
  const gpu = withGpu();

  test.each([
    { headDim: 64, kvHeads: 2, group: 3, lists: 'kv-head', position: 90, rows: 7 },
    { headDim: 34, kvHeads: 1, group: 2, lists: 'query-head', position: 0, rows: 38 },
  ] as const)('$rows rows from $position, head size $headDim, lists per $lists', async (size) => {
    const { headDim, kvHeads, group, rows, position } = size;
    const random = new Random(runSeed + headDim);
    const arena = new Arena(gpu());
    const qHeads = kvHeads * group;
    const lists = size.lists === 'kv-head' ? kvHeads : qHeads;
    const given = randomRows(arena, random, { ...size, qHeads, lists });
    const { room, capacity, bindings } = given;
    const words = Math.ceil(capacity / 32);
    const all = new Uint32Array(lists * room * words).fill(0xffffffff);
    const shared = {
      ...bindings,
      scales: arena.tensor('scales', 'f32', [room, qHeads]),
      mass: arena.tensor('mass', 'f32', [lists, room, capacity]),
      quality: arena.tensor('quality', 'f32', [lists, room, 2]),
      ...{ lists, qHeads, kvHeads, capacity, rows: room },
    };
    const exactMask = arena.tensorFrom('all', 'u32', [all.length], all);
    const { mass, quality } = await prepareAttentionMass(gpu(), headDim);
    submitDispatches(gpu(), [
      ...mass(arena, { label: 'mass', ...shared }),
      quality(arena, { label: 'quality', ...shared, exactMask }),
    ]);
    const gotMass = await readF32(gpu(), shared.mass);
    const gotQuality = await readF32(gpu(), shared.quality);
    const score = given.scoreMagnitude;
    const n = position + rows;
    const bound = ((headDim + 3) * 2 * score + 4 * (3 + 6 * score) + 4 * n + 8) * group * unitF32;
    for (let list = 0; list < lists; list++) {
      const heads = Array.from({ length: qHeads / lists }, (_, i) => list * (qHeads / lists) + i);
      for (let row = 0; row < rows; row++) {
        const length = position + row + 1;
        const tokens = Array.from({ length }, (_, token) => token);
        const expected = tokens.map((token) =>
          heads.reduce((sum, head) => {
            const share = given.scaleOf(row, head, [token]) - given.scaleOf(row, head, tokens);
            return sum + 2 ** share;
          }, 0),
        );
        const at = (list * room + row) * capacity;
        const where = `list ${list}, row ${row}`;
        expectClose(gotMass.subarray(at, at + length), expected, () => bound, where);
        const set = given.sets[list]![row]!;
        const [caught, common] = gotQuality.subarray(2 * (list * room + row));
        expect(common, where).toBe(set.length);
        const wanted = set.reduce((sum, token) => sum + expected[token]!, 0);
        expect(Math.abs(caught! - wanted), where).toBeLessThan(bound * set.length + 1e-6);
      }
    }
    arena.dispose();
  });
});
