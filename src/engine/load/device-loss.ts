/** Notices that the device went away in the middle of work, and says so instead of what broke because of it. */
import { AppError } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';

export class DeviceLoss {
  #loss: GPUDeviceLostInfo | undefined;

  constructor(gpu: Gpu) {
    gpu.lost.then((info) => {
      this.#loss = info;
    });
  }

  /** @throws AppError "device-lost". */
  throwIfLost(cause?: unknown): void {
    if (this.#loss === undefined) return;
    const { message, reason } = this.#loss;
    throw new AppError(
      'device-lost',
      `The graphics device was lost while weights were loaded (${message || reason}). Load the model again.`,
      { details: { reason }, cause },
    );
  }

  /** The work's result. Its failure is the loss's fault where there is one. */
  async explain<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.throwIfLost(error);
      throw error;
    }
  }
}
