/** Times lists of dispatches by slope: many repetitions against few, so that what a submission costs once falls out. */
import { bufferUsage } from '../src/kernels/runtime/arena.ts';
import { type Dispatch, encodeDispatches } from '../src/kernels/runtime/dispatch.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import { readBytes } from '../src/kernels/runtime/readback.ts';

/** Milliseconds of the same work, or the least it can take, two ways. */
export interface Timing {
  /** On the GPU alone. `gpuClock` says how it is measured. */
  readonly gpuMs: number;
  /** From submit to completion of a single submission. Dawn only notes commands down until they are submitted: it records
   *  them for the driver then, and the GPU begins when the last one is recorded. So this is gpuMs and recording together. */
  readonly submittedMs: number;
}

/** How gpuMs is measured: by timestamps at both ends of a pass, or from the first of many submissions to completion, so
 *  that all but the first are recorded while the GPU works: a bound where recording takes longer than the work. */
export function gpuClock(gpu: Gpu): 'timestamps' | 'submissions' {
  return gpu.traits.hasTimestamps ? 'timestamps' : 'submissions';
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** `repeats` runs of the list in one pass. Browsers round both clocks to 0.1 ms. */
export async function timeOnce(gpu: Gpu, dispatches: readonly Dispatch[], repeats: number): Promise<Timing> {
  const all = Array.from({ length: repeats }, () => dispatches).flat();
  if (gpuClock(gpu) === 'submissions') {
    const submittedMs = await timeSubmissions(gpu, [all]);
    return { submittedMs, gpuMs: await timeSubmissions(gpu, pieces(all)) };
  }
  const { device } = gpu;
  const querySet = device.createQuerySet({ label: 'times', type: 'timestamp', count: 2 });
  const encoder = device.createCommandEncoder();
  encodeDispatches(encoder, all, { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 });
  const submittedMs = await timeCommands(gpu, [encoder.finish()]);
  const [begin, end] = await readTimestamps(gpu, querySet);
  querySet.destroy();
  return { submittedMs, gpuMs: Number(end! - begin!) / 1e6 };
}

/** Dispatches of a submission that is recorded while the one before it runs. */
const pieceLength = 64;

function pieces(dispatches: readonly Dispatch[]): (readonly Dispatch[])[] {
  const count = Math.ceil(dispatches.length / pieceLength);
  return Array.from({ length: count }, (_, i) => dispatches.slice(i * pieceLength, (i + 1) * pieceLength));
}

function timeSubmissions(gpu: Gpu, lists: readonly (readonly Dispatch[])[]): Promise<number> {
  const commands = lists.map((list) => {
    const encoder = gpu.device.createCommandEncoder();
    encodeDispatches(encoder, list);
    return encoder.finish();
  });
  return timeCommands(gpu, commands);
}

async function timeCommands(gpu: Gpu, commands: readonly GPUCommandBuffer[]): Promise<number> {
  const { queue } = gpu.device;
  await queue.onSubmittedWorkDone();
  const started = performance.now();
  for (const command of commands) queue.submit([command]);
  await queue.onSubmittedWorkDone();
  return performance.now() - started;
}

/** Nanoseconds. */
async function readTimestamps(gpu: Gpu, querySet: GPUQuerySet): Promise<bigint[]> {
  const { device } = gpu;
  const size = 8 * querySet.count;
  const queryResolve = 0x200; // GPUBufferUsage.QUERY_RESOLVE: the constant object is missing in Node
  const resolved = device.createBuffer({ label: 'times', size, usage: queryResolve | bufferUsage.copySrc });
  const encoder = device.createCommandEncoder();
  encoder.resolveQuerySet(querySet, 0, querySet.count, resolved, 0);
  device.queue.submit([encoder.finish()]);
  const times = [...new BigUint64Array(await readBytes(gpu, { buffer: resolved }, size))];
  resolved.destroy();
  return times;
}

/** Rounds that agree this well, as a share of their median, are enough once there are three. */
const smallSpread = 0.02;

/** Of one repetition: median over rounds of (t(many) − t(few)) / (many − few), of either time by itself. At most `rounds`
 *  rounds, 7 unless told. */
export async function slopeOf(
  time: (repeats: number) => Promise<Timing>,
  { few, many, rounds = 7 }: { readonly few: number; readonly many: number; readonly rounds?: number },
): Promise<Timing> {
  const gpu: number[] = [];
  const submitted: number[] = [];
  while (gpu.length < rounds && !(gpu.length >= 3 && spreadOf(gpu) <= smallSpread)) {
    const short = await time(few);
    const long = await time(many);
    gpu.push((long.gpuMs - short.gpuMs) / (many - few));
    submitted.push((long.submittedMs - short.submittedMs) / (many - few));
  }
  return { gpuMs: median(gpu), submittedMs: median(submitted) };
}

function spreadOf(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

/** Least difference between many and few repetitions: browsers round their clocks to 0.1 ms. */
const leastMs = 25;
const mostDispatches = 20_000;

/** Per run of the list, after a warm-up. `many` is at least five times `few`, and as large as the clock asks for. */
export async function timeBySlope(
  gpu: Gpu,
  dispatches: readonly Dispatch[],
  options: { readonly few?: number; readonly many?: number; readonly rounds?: number } = {},
): Promise<Timing> {
  const time = (repeats: number): Promise<Timing> => timeOnce(gpu, dispatches, repeats);
  const affordable = Math.max(2, Math.floor(mostDispatches / dispatches.length));
  const wanted = Math.ceil((1.25 * leastMs) / (await roughMs(time, affordable)));
  const many = Math.min(affordable, Math.max(options.many ?? 5, wanted));
  const few = Math.max(1, Math.min(options.few ?? many, Math.floor(many / 5)));
  return slopeOf(time, { few, many, ...(options.rounds ? { rounds: options.rounds } : {}) });
}

/** Of one repetition, well enough to choose how many to time. */
async function roughMs(time: (repeats: number) => Promise<Timing>, most: number): Promise<number> {
  await time(1); // buffers are cleared when first used, which can take far longer than the work
  let repeats = 1;
  let { gpuMs } = await time(repeats);
  while (gpuMs < 1 && repeats < most) {
    repeats = Math.min(8 * repeats, most);
    ({ gpuMs } = await time(repeats));
  }
  return gpuMs / repeats;
}

/** A part of it, such as one layer of several. */
export function perPart({ gpuMs, submittedMs }: Timing, parts: number): Timing {
  return { gpuMs: gpuMs / parts, submittedMs: submittedMs / parts };
}
