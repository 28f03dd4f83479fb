/** Compared with what Hugging Face transformers computes in float32 (test/data/rope). The bounds are its rounding:
 *  u = 2⁻²⁴; theta^x in float32 errs by up to (ln theta + 8) u, blending two frequencies by another 2 · factor · u. */
import { describe, expect, test } from 'vitest';
import { JsonFields } from './json-fields.ts';
import { parseRopeConfig, type RopeConfig } from './rope-config.ts';
import { attentionFactorOf, ropeFrequencies, ropeTable } from './rope-table.ts';
import { readJson } from './testing/test-files.ts';

interface Reference {
  readonly name: string;
  readonly headDim: number;
  readonly maxPositionEmbeddings: number;
  readonly ropeParameters: Record<string, unknown>;
  readonly inverseFrequencies: number[];
  readonly attentionFactor: number;
  readonly positions: number[];
  readonly cos: number[][];
  readonly sin: number[][];
}

const unit = 2 ** -24;

function frequencyBound(rope: RopeConfig): number {
  const factor = rope.kind === 'default' ? 0 : rope.factor;
  return (Math.log(rope.theta) + 8 + 2 * factor) * unit;
}

describe.each(readJson<Reference[]>('test/data/rope/transformers.json'))('$name', (reference) => {
  const fields = new JsonFields({ rope_parameters: reference.ropeParameters }, 'config.json');
  const rope = parseRopeConfig(fields, reference.maxPositionEmbeddings);
  const bound = frequencyBound(rope);

  test('frequencies', () => {
    const frequencies = ropeFrequencies(rope, reference.headDim);
    expect(frequencies.length).toBe(reference.headDim / 2);
    for (const [pair, expected] of reference.inverseFrequencies.entries()) {
      const error = Math.abs(frequencies[pair]! - expected) / expected;
      expect(error, `pair ${pair}: got ${frequencies[pair]}, expected ${expected}`).toBeLessThanOrEqual(
        bound,
      );
    }
  });

  test('attention factor', () => {
    expect(attentionFactorOf(rope)).toBeCloseTo(reference.attentionFactor, 14);
  });

  test('cos and sin', () => {
    const pairs = reference.headDim / 2;
    const table = ropeTable(rope, reference.headDim, Math.max(...reference.positions) + 1);
    for (const [row, position] of reference.positions.entries()) {
      for (let pair = 0; pair < pairs; pair++) {
        const angle = position * reference.inverseFrequencies[pair]!;
        const tolerance = reference.attentionFactor * (angle * (bound + unit) + 4 * unit);
        for (const [index, name] of (['cos', 'sin'] as const).entries()) {
          const got = table[2 * (position * pairs + pair) + index]!;
          const want = reference[name][row]![pair]!;
          expect(Math.abs(got - want), `${name}, position ${position}, pair ${pair}`).toBeLessThanOrEqual(
            tolerance,
          );
        }
      }
    }
  });
});

test('no positions: an empty table', () => {
  expect(ropeTable({ kind: 'default', theta: 1e4 }, 64, 0).length).toBe(0);
});
