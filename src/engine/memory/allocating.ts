import { AppError } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';

/** Runs an allocation inside error scopes, so that a refusal is an error here and not gibberish later.
 *  @throws AppError "out-of-memory" naming what was asked for and how much. */
export async function allocating<T>(
  gpu: Gpu,
  what: string,
  byteLength: number,
  allocate: () => T,
): Promise<T> {
  const { device } = gpu;
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  const result = allocate();
  const [memory, validation] = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
  const refusal = memory ?? validation;
  if (refusal) {
    throw new AppError(
      'out-of-memory',
      `${what}: the graphics device refused ${(byteLength / 2 ** 20).toFixed(0)} MiB (${refusal.message.split('\n')[0]}). Close other tabs, or choose a smaller model or context.`,
      { details: { byteLength }, cause: refusal },
    );
  }
  return result;
}
