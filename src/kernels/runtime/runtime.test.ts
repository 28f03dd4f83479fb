import { describe, expect, test } from 'vitest';
import { withGpu } from '../testing/with-gpu.ts';
import { Arena } from './arena.ts';
import { defineKernel, prepareKernel } from './define-kernel.ts';
import { submitDispatches } from './dispatch.ts';
import { readF32 } from './readback.ts';

const double = defineKernel({
  name: 'double-for-test',
  sources: [
    `struct Dims { count: u32, factor: f32 }
     @group(0) @binding(0) var<uniform> dims: Dims;
     @group(0) @binding(1) var<storage, read> x: array<f32>;
     @group(0) @binding(2) var<storage, read_write> out: array<f32>;
     @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
       if (id.x < dims.count) { out[id.x] = x[id.x] * dims.factor; }
     }`,
  ],
  bindings: { x: 'read', out: 'write' },
  uniforms: { count: 'u32', factor: 'f32' },
});

describe('kernel runtime', () => {
  const gpu = withGpu();

  test('a dispatch reads its bindings and uniforms and writes its output', async () => {
    const arena = new Arena(gpu());
    const kernel = await prepareKernel(gpu(), double);
    const x = arena.tensorFrom('x', 'f32', [5], Float32Array.of(1, 2, 3, 4, 5));
    const out = arena.tensor('out', 'f32', [5]);
    const dispatch = kernel.dispatch(arena, {
      label: 'doubled',
      bindings: { x, out },
      uniforms: { count: 5, factor: 2.5 },
      workgroups: [1],
    });
    submitDispatches(gpu(), [dispatch]);
    expect(await readF32(gpu(), out)).toEqual(Float32Array.of(2.5, 5, 7.5, 10, 12.5));
    arena.dispose();
  });

  test('a kernel that does not compile names itself, the line and the source', async () => {
    const broken = defineKernel({
      name: 'broken-for-test',
      sources: ['@group(0) @binding(1) var<storage, read_write> out: array<f32>;\nfn nonsense( {}'],
      bindings: { out: 'write' },
      uniforms: {},
    });
    gpu().device.pushErrorScope('validation');
    await expect(prepareKernel(gpu(), broken)).rejects.toThrow(
      /broken-for-test does not compile[\s\S]*line 2/,
    );
    await gpu().device.popErrorScope();
  });
});
