import { describe, test } from 'vitest';
import { Arena } from '../runtime/arena.ts';
import { submitDispatches } from '../runtime/dispatch.ts';
import type { MatrixFormat } from '../runtime/matrix.ts';
import { readF32 } from '../runtime/readback.ts';
import { expectClose, unitF32 } from '../testing/expect-close.ts';
import { Random, runSeed } from '../testing/random.ts';
import { randomMatrix } from '../testing/random-matrix.ts';
import { withGpu } from '../testing/with-gpu.ts';
import { embedReference } from './embed.ref.ts';
import { prepareEmbed } from './embed.ts';

const formats: readonly MatrixFormat[] = [
  { kind: 'q4', groupSize: 32, scales: 'f16' },
  { kind: 'q4', groupSize: 128, scales: 'f32' },
  { kind: 'q8', groupSize: 64, scales: 'f16' },
  { kind: 'q8', groupSize: 32, scales: 'f32' },
  { kind: 'f16' },
  { kind: 'bf16' },
  { kind: 'f32' },
];

describe(`embed (seed ${runSeed})`, () => {
  const gpu = withGpu();

  for (const format of formats) {
    for (const hidden of [33, 576]) {
      test(`gives the rows of ${JSON.stringify(format)} of width ${hidden} in parts`, async () => {
        const arena = new Arena(gpu());
        const random = new Random(runSeed + hidden);
        const vocab = random.integer(5, 40);
        const { matrix, dense, magnitudes } = randomMatrix(arena, random, {
          rows: vocab,
          columns: hidden,
          format,
          rowsPerPart: random.integer(2, vocab),
        });
        // The first, the last, one beyond, the largest id, and some others.
        const others = Array.from({ length: random.integer(0, 9) }, () => random.integer(0, vocab - 1));
        const tokens = Uint32Array.of(0, vocab - 1, vocab, 0xffffffff, ...others);
        const out = arena.tensor('out', 'f32', [tokens.length, hidden]);
        gpu().device.queue.writeBuffer(out.buffer, 0, random.normals(tokens.length * hidden));
        const embed = await prepareEmbed(gpu(), format);
        submitDispatches(
          gpu(),
          embed(arena, {
            label: 'embedded',
            matrix,
            tokens: arena.tensorFrom('tokens', 'u32', [tokens.length], tokens),
            out,
            rows: tokens.length,
          }),
        );
        const magnitude = embedReference(magnitudes, hidden, tokens);
        // One product, one sum, and the reference's own rounding to f32.
        const roundings = 'groupSize' in format ? 3 : 0;
        expectClose(
          await readF32(gpu(), out),
          embedReference(dense, hidden, tokens),
          (i) => roundings * unitF32 * magnitude[i]!,
          'embedded',
        );
        arena.dispose();
      });
    }
  }
});
