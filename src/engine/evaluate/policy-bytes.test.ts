import { expect, test } from 'vitest';
import type { ModelConfig } from '../../model/config.ts';
import { policyBytes } from './policy-bytes.ts';
import { planRows, type RowPolicy } from './row-policy.ts';

const config = { layers: 3, qHeads: 4, kvHeads: 2, headDim: 8 } as ModelConfig;
const row = 2 * 8 * 2; // key and value, halves
const edges = { sink: 10, window: 20, denseLayers: [0] } as const;

function bytesOf(policy: RowPolicy, tokens = 2048): number {
  return policyBytes(planRows(policy, config), config, tokens);
}

test('dense layers read everything, sparse ones what they attend to, the tail the sums of its blocks', () => {
  const options = { ...edges, mode: 'oracle', budget: { fraction: 1 / 16 } } as const;
  const dense = 2048 * 2 * row;
  expect(bytesOf({ options: { mode: 'dense' } })).toBe(3 * dense);
  const attended = (10 + 128 + 20) * 2 * row;
  expect(bytesOf({ options: { ...options, tail: 'none' } })).toBe(dense + 2 * attended);
  const sums = (blocks: number) => 2 * blocks * 2 * 8 * 4;
  expect(bytesOf({ options: { ...options, tail: 'mean' } })).toBe(dense + 2 * (attended + sums(2)));
  const proxy = { kind: 'mean', block: 64, over: 'block', estimated: true } as const;
  expect(bytesOf({ options: { ...options, tail: 'mean' }, proxy })).toBe(dense + 2 * (attended + sums(32)));
});

test('budgets by layer read what each layer attends to', () => {
  const options = { ...edges, mode: 'random', tail: 'none', budget: { fraction: 5 / 64 } } as const;
  const bytes = (layerBudgets: number[]) => bytesOf({ options: { ...options, layerBudgets } });
  expect(bytes([9, 2, 8])).toBe((2048 + 2 * 30 + 64 + 256) * 2 * row);
  // what would be more than there is in one goes to the other; of all of it, no layer has less
  const covering = { ...options, budget: { fraction: 0.75 }, layerBudgets: [9, 2, 8] };
  expect(bytesOf({ options: covering })).toBe((2048 + 30 + 1024 + 2048) * 2 * row);
  const all = { ...covering, budget: { fraction: 1 } };
  expect(bytesOf({ options: all })).toBe(3 * 2048 * 2 * row);
  expect(bytesOf({ options: { ...all, layerBudgets: [0, 0, 3] } })).toBe((2048 + 30 + 2048) * 2 * row);
  expect(() => bytes([1])).toThrow(/or 3 numbers/);
});
