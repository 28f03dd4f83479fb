/** Moves bytes to the GPU in bounded amounts: what is written but not yet consumed is limited. */
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { allocating } from '../memory/allocating.ts';

/** At most two windows of this size are in flight. */
const windowBytes = 16 * 2 ** 20;

export class GpuUpload {
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  /** u32: bytes on their way to a kernel that unpacks them. */
  readonly staging: Tensor;
  /** u32: one word per tensor of the files, written by the loading kernels. */
  readonly report: Tensor;
  #written = 0;
  #previousWindow: Promise<unknown> = Promise.resolve();

  private constructor(gpu: Gpu, arena: Arena, staging: Tensor, report: Tensor) {
    this.#gpu = gpu;
    this.#arena = arena;
    this.staging = staging;
    this.report = report;
  }

  /** @param stagingBytes a multiple of 4. */
  static async create(gpu: Gpu, stagingBytes: number, reportWords: number): Promise<GpuUpload> {
    const arena = new Arena(gpu);
    return allocating(gpu, 'buffers for loading', stagingBytes + 4 * reportWords, () => {
      const staging = arena.tensor('load.staging', 'u32', [stagingBytes / 4]);
      const report = arena.tensor('load.report', 'u32', [reportWords]);
      return new GpuUpload(gpu, arena, staging, report);
    });
  }

  /** Copies bytes, a multiple of 4, to their place; the caller may reuse them at once. */
  write(buffer: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>): void {
    this.#gpu.device.queue.writeBuffer(buffer, offset, bytes);
    this.#written += bytes.length;
  }

  /** Runs dispatches after all writes so far; their uniforms live as long as they run. */
  run(build: (arena: Arena) => readonly Dispatch[]): void {
    const arena = new Arena(this.#gpu);
    submitDispatches(this.#gpu, build(arena));
    arena.dispose();
  }

  /** Waits until no more than two windows are in flight. */
  async settle(): Promise<void> {
    if (this.#written < windowBytes) return;
    await this.#nextWindow();
  }

  /** Waits until everything written has been consumed. */
  async finish(): Promise<void> {
    await this.#nextWindow();
    await this.#previousWindow;
  }

  async #nextWindow(): Promise<void> {
    this.#written = 0;
    const previous = this.#previousWindow;
    // A lost device may reject or never answer; the caller looks for the loss after every wait.
    const done = this.#gpu.device.queue.onSubmittedWorkDone().catch(() => undefined);
    this.#previousWindow = Promise.race([done, this.#gpu.lost]);
    await previous;
  }

  dispose(): void {
    this.#arena.dispose();
  }
}
