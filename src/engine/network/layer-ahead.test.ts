/** From which size of cache on, and for which layers, products read ahead. */
import { expect, test } from 'vitest';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { type AheadInput, aheadOf } from './layer-ahead.ts';

const tensor = (label: string): Tensor => ({ buffer: {} as GPUBuffer, label, dtype: 'u32', shape: [] });

/** Of three layers, the first dense. */
function input(byteLength: number): AheadInput {
  return {
    act: { step: tensor('step') },
    cache: {
      byteLength,
      layer: (index) => ({ key: tensor(`key ${index}`), value: tensor(`value ${index}`) }),
    },
    policies: [{ isScattered: false }, { isScattered: true }, { isScattered: true }],
  };
}

/** Of keys, their step, values and their step. */
function labelsOf(ahead: ReturnType<typeof aheadOf>): string[] | undefined {
  if (!ahead) return undefined;
  const { key, value } = ahead;
  return [key.cache, key.step, value.cache, value.step].map((slice) => (slice as Tensor).label);
}

test('keys and values of the layer asked for, from 2 GiB on, where it reads here and there', () => {
  const large = input(2 ** 31);
  expect(labelsOf(aheadOf(large, 1))).toEqual(['key 1', 'step', 'value 1', 'step']);
  expect(labelsOf(aheadOf(large, 2))).toEqual(['key 2', 'step', 'value 2', 'step']);
  expect(aheadOf(large, 0)).toBeUndefined();
  expect(aheadOf(large, 3)).toBeUndefined();
  expect(aheadOf(input(2 ** 31 - 1), 1)).toBeUndefined();
});

test('from the size that it is told', () => {
  expect(aheadOf({ ...input(999), aheadFrom: 1000 }, 1)).toBeUndefined();
  expect(labelsOf(aheadOf({ ...input(1000), aheadFrom: 1000 }, 1))?.[0]).toBe('key 1');
});
