/** 4-bit products by whole numbers for models whose rows are too short to have them by default, as those with reference
 *  outputs are. */
import { expect } from 'vitest';
import { decodeStep } from '../../src/engine/network/decode-step.ts';
import type { Network } from '../../src/engine/network/network.ts';
import { Arena } from '../../src/kernels/runtime/arena.ts';
import { Gpu } from '../../src/kernels/runtime/gpu.ts';

/** The same device with another rule: every 4-bit product by whole numbers, however short its rows. */
export function withIntegerProducts({ device, traits }: Gpu): Gpu {
  expect(traits.subgroups, 'the test device offers subgroups').not.toBeNull();
  return new Gpu(device, { ...traits, integerProductsFrom: 32 });
}

/** Fails where a product of a layer in the network's decode step takes floats. */
export function expectIntegerProducts(gpu: Gpu, { kernels, weights, act, cache, policies }: Network): void {
  const arena = new Arena(gpu);
  const step = decodeStep({ arena, kernels, weights, act, cache, policies });
  arena.dispose();
  const products = step
    .filter(({ label, kernel }) => label.startsWith('layer[') && kernel.startsWith('mat-vec-q'))
    .map(({ kernel }) => kernel);
  expect(products.length).toBeGreaterThanOrEqual(4 * weights.layers.length);
  expect(new Set(products)).toEqual(new Set(['mat-vec-q4-integer']));
}
