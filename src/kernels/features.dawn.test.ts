/** Kernels that ask for features, on Dawn's null backend: it runs nothing, but offers every feature and checks WGSL. */
import { expect, test } from 'vitest';
import { create } from 'webgpu';
import { openGpu } from './runtime/gpu.ts';
import { allKernels } from './testing/all-kernels.ts';

test('every kernel that asks for features is right WGSL, also where no device here has them', async () => {
  const dawn = create(['backend=null']);
  Object.assign(globalThis, { nullDawn: dawn }); // collected, it would take the process with it
  const { device, traits } = await openGpu({ gpu: dawn });
  expect(traits.hasHalves).toBe(true);
  const kernels = (await allKernels()).filter(({ features }) => features?.length);
  expect(kernels.length).toBeGreaterThan(0);
  const faults = kernels.map(async ({ name, code }) => {
    const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
    return messages.map(({ message, lineNum }) => `${name}: line ${lineNum}: ${message}`);
  });
  expect((await Promise.all(faults)).flat()).toEqual([]);
  device.destroy();
});
