/** Weights from files to the GPU, in file order, with bounded memory: one chunk in JavaScript, two windows in flight. */
import { AppError, throwIfAborted } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { readU32 } from '../../kernels/runtime/readback.ts';
import { loadReport } from '../../kernels/shared/load-report.ts';
import type { ModelSource } from '../source/model-source.ts';
import { allocateWeights } from './allocate-weights.ts';
import { DeviceLoss } from './device-loss.ts';
import { GpuUpload } from './gpu-upload.ts';
import type { GpuWeights } from './gpu-weights.ts';
import { notFinite } from './place-tensor.ts';
import { type FileRange, rangesByFile, TaskStream } from './task-stream.ts';
import { type TensorTask, tensorTasks } from './tensor-tasks.ts';
import type { WeightPlan } from './weight-plan.ts';

export interface LoadWeightsOptions {
  /** Bytes of the weight files passed so far, and in all. */
  readonly onProgress?: ((loadedBytes: number, totalBytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Size of the one buffer that gathers rows, a multiple of 4; 8 MiB unless told. */
  readonly chunkBytes?: number;
}

/** Reads every tensor of the plan once and puts it in place. Leaves nothing allocated after an error.
 *  @throws AppError "out-of-memory", "device-lost", "aborted", whatever the source throws, "file-malformed" for
 *  values that are not finite, "model-unsupported" for values that the chosen format cannot hold. */
export async function loadWeights(
  gpu: Gpu,
  source: ModelSource,
  plan: WeightPlan,
  options: LoadWeightsOptions = {},
): Promise<GpuWeights> {
  const loss = new DeviceLoss(gpu);
  const allocated = await loss.explain(allocateWeights(gpu, plan));
  try {
    await loss.explain(fill(gpu, source, tensorTasks(allocated), loss, options));
    return allocated.weights;
  } catch (error) {
    allocated.weights.dispose();
    throw error;
  }
}

async function fill(
  gpu: Gpu,
  source: ModelSource,
  tasks: readonly TensorTask[],
  loss: DeviceLoss,
  options: LoadWeightsOptions,
): Promise<void> {
  const widestRow = Math.max(...tasks.map(({ shape }) => shape.pitch));
  const chunk = new Uint8Array(Math.max(options.chunkBytes ?? 8 * 2 ** 20, Math.ceil(widestRow / 4) * 4));
  const upload = await GpuUpload.create(gpu, chunk.length, tasks.length);
  try {
    const ranges = rangesByFile(tasks);
    const totalBytes = ranges.reduce((total, { begin, end }) => total + end - begin, 0);
    let loadedBytes = 0;
    const onBytes = (count: number): void => {
      throwIfAborted(options.signal);
      loss.throwIfLost();
      loadedBytes += count;
      options.onProgress?.(loadedBytes, totalBytes);
    };
    for (const range of ranges) {
      await readRange(source, range, new TaskStream(gpu, upload, chunk, range), onBytes, options.signal);
    }
    await upload.finish();
    loss.throwIfLost();
    checkReport(tasks, await readU32(gpu, upload.report));
  } finally {
    upload.dispose();
  }
}

async function readRange(
  source: ModelSource,
  { file, begin, end }: FileRange,
  stream: TaskStream,
  onBytes: (count: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal);
  for await (const piece of source.readRange(file, begin, end, { signal })) {
    await stream.push(piece);
    onBytes(piece.length);
  }
  stream.end();
}

function checkReport(tasks: readonly TensorTask[], report: Uint32Array): void {
  for (const { entry, reportIndex } of tasks) {
    const flags = report[reportIndex]!;
    if (flags & loadReport.notFinite) throw notFinite(entry.file, entry.name);
    if (flags & loadReport.beyondHalf) {
      throw new AppError(
        'model-unsupported',
        `${entry.file}: tensor ${entry.name} holds values beyond ±65504, the range of half precision. Load the model with weights: "stored", which keeps them as they are.`,
        { details: { file: entry.file, tensor: entry.name } },
      );
    }
  }
}
