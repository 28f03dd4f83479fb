/** Dense decode attention, split and merge, over as many layers as keep everything out of the caches. */
import { prepareAttend } from '../src/kernels/attend/attend.ts';
import { Arena } from '../src/kernels/runtime/arena.ts';
import type { Gpu, KernelVariant } from '../src/kernels/runtime/gpu.ts';
import { prepareFill } from './ceiling.ts';
import { perPart, type Timing, timeBySlope } from './timing.ts';

export interface AttendCase {
  readonly context: number;
  readonly kvHeads: number;
  readonly group: number;
  readonly headDim: number;
  readonly layers: number;
  readonly variant?: KernelVariant;
  readonly splits?: number;
}

/** Time and bytes of keys and values per layer. */
export async function benchAttend(
  gpu: Gpu,
  spec: AttendCase,
): Promise<{ timing: Timing; bytes: number; splits: number }> {
  const { context, kvHeads, group, headDim, layers } = spec;
  const arena = new Arena(gpu);
  const fill = await prepareFill(gpu);
  const attend = await prepareAttend(gpu, {
    headDim,
    group,
    ...(spec.variant ? { variant: spec.variant } : {}),
  });
  const splits = spec.splits ?? attend.splitsFor(context, kvHeads);
  const side = kvHeads * context * headDim * 2;
  const step = { buffer: arena.buffer('step', 16, 0x40 | 0x8) };
  gpu.device.queue.writeBuffer(step.buffer, 0, Uint32Array.of(context - 1, 1, 0, 0));
  const width = kvHeads * group * headDim;
  const query = arena.tensorFrom('query', 'f32', [width], new Float32Array(width).fill(0.1));
  const out = arena.tensor('out', 'f32', [width]);
  const partials = arena.tensor('partials', 'f32', attend.partialsShape(kvHeads, splits));
  const dispatches = Array.from({ length: layers }, (_, layer) => {
    const keyCache = { buffer: arena.buffer(`key ${layer}`, side) };
    const valueCache = { buffer: arena.buffer(`value ${layer}`, side) };
    // halves of about 0.004
    fill(keyCache.buffer, 0, 0x1c001c00 + layer);
    fill(valueCache.buffer, 0, 0x1c101c00 + layer);
    const label = `layer ${layer}`;
    const common = { step, query, keyCache, valueCache, partials, kvHeads, splits };
    return [
      attend.split(arena, { label, ...common, capacity: context }),
      attend.merge(arena, { label, partials, out, kvHeads, splits }),
    ];
  }).flat();
  const timing = perPart(await timeBySlope(gpu, dispatches), layers);
  arena.dispose();
  return { timing, bytes: 2 * side, splits };
}
