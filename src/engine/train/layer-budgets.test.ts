import { describe, expect, test } from 'vitest';
import { parseModelConfig } from '../../model/config.ts';
import { parseHashMaps } from '../../model/hash-maps.ts';
import { parseSafetensorsHeader } from '../../model/safetensors.ts';
import { defaultModel, readBytes, readJson } from '../../model/testing/test-files.ts';
import { layerBudgets, withLayerBudgets } from './layer-budgets.ts';

const config = parseModelConfig(readJson(`${defaultModel}/config.json`));

/** Layers whose signatures catch so much less than the best choice. */
function layersMissing(...missed: readonly number[]) {
  return missed.map((part) => ({ recall: 0.5, mass: 0.9 - part, bestMass: 0.9 }));
}

describe('budgets by layer', () => {
  test('are in proportion to what is missed beside the best choice, of mean 1', () => {
    expect(layerBudgets(layersMissing(0.01, 0.02, 0.06))).toEqual([0.3333, 0.6667, 2]);
  });

  test('leave every layer something, also where rounding puts signatures above the best choice', () => {
    expect(layerBudgets(layersMissing(0, 0.02, -1e-9, 0.02))).toEqual([0.0952, 1.9048, 0.0952, 1.9048]);
  });

  test('are equal where nothing is missed', () => {
    expect(layerBudgets(layersMissing(0, 0))).toEqual([1, 1]);
  });

  test('are put into a file, in place of others, beside all that it holds', () => {
    const path = 'test/data/golden/SmolLM2-135M-Instruct-4bit/hash_attention.safetensors';
    const file = new Uint8Array(readBytes(path));
    const contents = (bytes: Uint8Array) => {
      const header = parseSafetensorsHeader(bytes, { file: path, fileSize: bytes.length });
      const { layer_budgets, ...metadata } = Object.fromEntries(header.metadata);
      const tensors = header.entries.map(({ name, dtype, shape, begin, end }) => {
        return { name, dtype, shape, bytes: Buffer.from(bytes.subarray(begin, end)).toString('base64') };
      });
      return { layerBudgets: parseHashMaps(header, config).layerBudgets, rest: { metadata, tensors } };
    };
    const budgets = Array.from({ length: config.layers }, (_, layer) => (layer % 2 === 0 ? 0.7512 : 1.2488));
    const written = contents(withLayerBudgets(withLayerBudgets(file, budgets.toReversed()), budgets));
    expect(written.layerBudgets).toEqual(budgets);
    expect(written.rest).toEqual(contents(file).rest);
  });
});
