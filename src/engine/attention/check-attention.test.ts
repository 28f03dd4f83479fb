import { expect, test } from 'vitest';
import type { AttentionOptions } from '../api.ts';
import { scriptedEngine } from '../testing/scripted-engine.ts';

/** The scripted model has one layer. */
const senseless: readonly (readonly [option: string, options: AttentionOptions])[] = [
  ['sink', { mode: 'hash', sink: -1 }],
  ['window', { mode: 'streaming', window: 0 }],
  ['window', { mode: 'oracle', window: 1.5 }],
  ['budget.tokens', { mode: 'random', budget: { tokens: -3 } }],
  ['budget.fraction', { mode: 'hash', budget: { fraction: 1.01 } }],
  ['budget.fraction', { mode: 'hash', budget: { fraction: Number.NaN } }],
  ['denseLayers', { mode: 'hash', denseLayers: [0, 1] }],
  ['layerBudgets', { mode: 'hash', denseLayers: [], layerBudgets: [1, 1] }],
  ['layerBudgets', { mode: 'hash', denseLayers: [], layerBudgets: [-1] }],
  ['layerBudgets', { mode: 'random', denseLayers: [], layerBudgets: [0] }],
  ['layerBudgets', { mode: 'oracle', denseLayers: [], layerBudgets: 'maps' } as unknown as AttentionOptions],
  ['layerBudgets', { mode: 'hash', denseLayers: [], layerBudgets: {} } as unknown as AttentionOptions],
  ['denseBelow', { mode: 'hash', denseBelow: -1 }],
  ['tail', { mode: 'hash', tail: true } as unknown as AttentionOptions],
  ['mode', { mode: 'quest' } as unknown as AttentionOptions],
];

test.each(senseless)(
  'attention.%s is refused by name, and what was before stays: %o',
  async (option, options) => {
    const { engine, tokens } = scriptedEngine({ answer: [] });
    await engine.setAttention({ mode: 'streaming' });
    const refused = engine.setAttention(options);
    await expect(refused).rejects.toMatchObject({ code: 'invalid-request' });
    await expect(refused).rejects.toThrow(`attention.${option}: expected`);
    expect(tokens.attention).toEqual([{ mode: 'streaming' }]);
  },
);
