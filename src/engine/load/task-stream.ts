/** Cuts a long range of a file into its tensors and hands each to its task. */
import { AppError, invariant } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { type ByteRange, type MergedRange, mergeRanges } from '../../model/range-merge.ts';
import type { GpuUpload } from './gpu-upload.ts';
import { methodFor } from './load-kernels.ts';
import { placerFor } from './place-tensor.ts';
import { RowChunks } from './row-chunks.ts';
import type { TensorTask } from './tensor-tasks.ts';

/** Unneeded bytes between tensors that are read and dropped rather than asked around. */
const maxGap = 2 ** 20;

interface TaskRange extends ByteRange {
  readonly task: TensorTask;
}

export interface FileRange extends MergedRange<TaskRange> {
  readonly file: string;
}

/** Long ranges in file order, file by file: few requests, and each file is read front to back. */
export function rangesByFile(tasks: readonly TensorTask[]): FileRange[] {
  const files = [...new Set(tasks.map(({ entry }) => entry.file))].sort();
  return files.flatMap((file) => {
    const inFile = tasks.filter(({ entry }) => entry.file === file);
    const wanted = inFile.map((task) => ({ begin: task.entry.begin, end: task.entry.end, task }));
    const merged = mergeRanges(wanted, { maxGap, maxLength: Number.POSITIVE_INFINITY });
    return merged.map((range) => ({ file, ...range }));
  });
}

/** Takes the bytes of one range, in order and in pieces of any size. */
export class TaskStream {
  readonly #gpu: Gpu;
  readonly #upload: GpuUpload;
  readonly #chunk: Uint8Array<ArrayBuffer>;
  readonly #range: FileRange;
  #position: number;
  /** Index of the tensor that is being read or comes next; its rows once it has begun. */
  #index = 0;
  #rows: RowChunks | undefined;

  /** @param chunk gathers rows; used by one stream at a time. */
  constructor(gpu: Gpu, upload: GpuUpload, chunk: Uint8Array<ArrayBuffer>, range: FileRange) {
    this.#gpu = gpu;
    this.#upload = upload;
    this.#chunk = chunk;
    this.#range = range;
    this.#position = range.begin;
  }

  async push(piece: Uint8Array<ArrayBuffer>): Promise<void> {
    let at = 0;
    while (at < piece.length) {
      const member = this.#range.members[this.#index];
      invariant(member, `${this.#range.file}: bytes beyond the range that ends at ${this.#range.end}`);
      const isGap = this.#position < member.begin;
      const count = Math.min(piece.length - at, (isGap ? member.begin : member.end) - this.#position);
      if (!isGap) await this.#pushRows(member.task, piece.subarray(at, at + count));
      at += count;
      this.#position += count;
      if (this.#position === member.end) await this.#endTensor();
    }
  }

  /** @throws AppError "download-failed" when bytes are missing. */
  end(): void {
    const member = this.#range.members[this.#index];
    if (member === undefined) return;
    const { file, name: tensor, end } = member.task.entry;
    throw new AppError(
      'download-failed',
      `${file}: ended at byte ${this.#position}, before the end of tensor ${tensor} at byte ${end}. Try again.`,
      { details: { file, tensor, position: this.#position, expected: end } },
    );
  }

  async #pushRows(task: TensorTask, bytes: Uint8Array): Promise<void> {
    this.#rows ??= await this.#begin(task);
    await this.#rows.push(bytes);
  }

  async #begin(task: TensorTask): Promise<RowChunks> {
    const method = await methodFor(this.#gpu, task);
    return new RowChunks(this.#chunk, task.shape, placerFor(this.#upload, task, method, this.#chunk));
  }

  async #endTensor(): Promise<void> {
    await this.#rows?.end();
    this.#rows = undefined;
    this.#index++;
  }
}
