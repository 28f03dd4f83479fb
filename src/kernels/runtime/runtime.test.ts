import { describe, expect, test } from 'vitest';
import { withGpu } from '../testing/with-gpu.ts';
import { Arena } from './arena.ts';
import { defineKernel, prepareKernel } from './define-kernel.ts';
import { submitDispatches } from './dispatch.ts';
import { Gpu, type KernelVariant } from './gpu.ts';
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

  test('the fastest variant is chosen that is offered and runs here', () => {
    const all = ['workgroup', 'subgroup', 'serial'] as const;
    const some = { min: 4, max: 32 };
    const choices = [
      { isCpu: true, subgroups: some, of: all, is: 'serial' },
      { isCpu: true, subgroups: null, of: all, is: 'workgroup' },
      { isCpu: true, subgroups: some, of: ['subgroup'], is: 'workgroup' },
      { isCpu: false, subgroups: some, of: all, is: 'subgroup' },
      { isCpu: false, subgroups: some, of: ['serial'], is: 'workgroup' },
      { isCpu: false, subgroups: null, of: all, is: 'workgroup' },
    ] as const;
    for (const { of, is, ...traits } of choices) {
      const device = new Gpu(gpu().device, { ...gpu().traits, ...traits });
      expect(device.chooseVariant<KernelVariant>(of), JSON.stringify(traits)).toBe(is);
    }
  });

  test('uniforms of equal contents share a buffer', async () => {
    const arena = new Arena(gpu());
    const words = (...values: number[]): ArrayBuffer => Uint32Array.from(values).buffer;
    const first = arena.uniform('first', words(1, 2, 3, 4));
    expect(arena.uniform('second', words(1, 2, 3, 4))).toBe(first);
    expect(arena.uniform('third', words(1, 2, 3, 5))).not.toBe(first);
    expect(arena.uniform('longer', words(1, 2, 3, 4, 0, 0, 0, 0))).not.toBe(first);
    gpu().device.pushErrorScope('validation');
    gpu().device.queue.writeBuffer(first, 0, words(5, 6, 7, 8));
    expect(await gpu().device.popErrorScope(), 'nobody can write to what others read').not.toBeNull();

    const kernel = await prepareKernel(gpu(), double);
    const x = arena.tensorFrom('x', 'f32', [2], Float32Array.of(1, 2));
    const factors = [2, 3, 2];
    const outs = factors.map((_, i) => arena.tensor(`out[${i}]`, 'f32', [2]));
    const before = arena.byteLength;
    const dispatches = factors.map((factor, i) =>
      kernel.dispatch(arena, {
        ...{ label: `doubled[${i}]`, bindings: { x, out: outs[i]! }, workgroups: [1] },
        uniforms: { count: 2, factor },
      }),
    );
    expect(arena.byteLength - before, 'bytes of two blocks of uniforms').toBe(2 * 16);
    submitDispatches(gpu(), dispatches);
    for (const [i, factor] of factors.entries()) {
      expect(await readF32(gpu(), outs[i]!)).toEqual(Float32Array.of(factor, 2 * factor));
    }
    arena.dispose();
    expect(arena.uniform('after', words(1, 2, 3, 4))).not.toBe(first);
    arena.dispose();
  });

  test('what is bound where nothing is written is one buffer for each place', () => {
    const arena = new Arena(gpu());
    const first = arena.placeholder('out');
    expect(arena.placeholder('out')).toBe(first);
    expect(arena.placeholder('cache')).not.toBe(first);
    expect(arena.byteLength).toBe(2 * 16);
    arena.dispose();
    expect(arena.placeholder('out'), 'after disposal').not.toBe(first);
    arena.dispose();
  });

  test('a shader that cannot be fetched is a failed download, with the reason', async () => {
    const cause = new TypeError('Failed to fetch dynamically imported module: https://host/double.js');
    const unreachable = { ...double, sources: [() => Promise.reject(cause)] };
    await expect(prepareKernel(gpu(), unreachable)).rejects.toMatchObject({
      code: 'download-failed',
      message: expect.stringMatching(/double-for-test.*https:\/\/host\/double\.js.*reload the page/),
      cause,
    });
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
