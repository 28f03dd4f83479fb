/** Times in order of the work, by the GPU's clock and by ours. */
import { describe, expect, test } from 'vitest';
import { Arena } from '../../kernels/runtime/arena.ts';
import { defineKernel, prepareKernel } from '../../kernels/runtime/define-kernel.ts';
import { Gpu } from '../../kernels/runtime/gpu.ts';
import { readU32 } from '../../kernels/runtime/readback.ts';
import { withGpu } from '../../kernels/testing/with-gpu.ts';
import { timeLists } from './time-lists.ts';

/** A chain of dependent steps of a generator, so that nothing can be left out. */
const work = defineKernel({
  name: 'work-for-test',
  sources: [
    `struct Dims { steps: u32 }
     @group(0) @binding(0) var<uniform> dims: Dims;
     @group(0) @binding(1) var<storage, read_write> out: array<u32>;
     @compute @workgroup_size(1) fn main() {
       var state = out[0];
       for (var i = 0u; i < dims.steps; i++) { state = state * 747796405u + 2891336453u; }
       out[0] = state;
       out[1] = out[1] + 1u;
     }`,
  ],
  bindings: { out: 'write' },
  uniforms: { steps: 'u32' },
});

describe('time of lists', () => {
  const gpu = withGpu();

  test.each(['timestamps', 'waiting'])('by %s', async (clock) => {
    const { device, traits } = gpu();
    const timed = new Gpu(device, {
      ...traits,
      hasTimestamps: clock === 'timestamps' && traits.hasTimestamps,
    });
    const arena = new Arena(gpu());
    const kernel = await prepareKernel(gpu(), work);
    const out = arena.tensor('out', 'u32', [2]);
    const list = (steps: number) => [
      kernel.dispatch(arena, { label: 'work', bindings: { out }, uniforms: { steps }, workgroups: [1] }),
    ];
    const [short, long] = [list(2_000_000), list(40_000_000)];
    // 20 times the work. A machine that does other things meanwhile may slow a list down, but not speed one up: rounds go on
    // until the fastest of each list show it.
    let fastest = [Infinity, Infinity, Infinity];
    let rounds = 0;
    const isShown = ([before, between, after]: readonly number[]): boolean =>
      between! > 4 * before! && between! > 4 * after!;
    while (rounds < 3 || (!isShown(fastest) && rounds < 30)) {
      const times = await timeLists(timed, [short, long, short]);
      fastest = fastest.map((time, i) => Math.min(time, times[i]!));
      rounds++;
    }
    expect(isShown(fastest), `${fastest} ms after ${rounds} rounds`).toBe(true);
    // every round runs the first list once more
    expect((await readU32(gpu(), out))[1]).toBe(rounds * 4);
    arena.dispose();
  });
});
