/** Logits at every position of given tokens, for evaluation: perplexity, comparison with a reference. */

import { invariant } from '../../errors.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { readF32 } from '../../kernels/runtime/readback.ts';
import type { Network } from './network.ts';

/** Rows of logits computed and read back together: 64 × 128K floats are 32 MiB. */
const rowsAtOnce = 64;

export interface ScoredRows {
  /** Position of the first row; row r predicts the token at first + r + 1. */
  readonly first: number;
  /** f32 [rows, vocab]. */
  readonly logits: Float32Array;
  readonly rows: number;
}

/** Appends `tokens` to the network's cache and yields the logits of positions from `from` on, in order. */
export async function* scorePrompt(
  gpu: Gpu,
  network: Network,
  tokens: readonly number[],
  options: { readonly from?: number; readonly signal?: AbortSignal } = {},
): AsyncGenerator<ScoredRows> {
  const from = options.from ?? 0;
  const start = network.cache.length;
  await network.ensureCapacity(start + tokens.length);
  for await (const { done, rows } of network.prefill.run(tokens, options.signal)) {
    const chunkStart = start + done - rows;
    for (let row = Math.max(0, from - chunkStart); row < rows; row += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, rows - row);
      yield { first: chunkStart + row, rows: count, logits: await logitsOfRows(gpu, network, row, count) };
    }
  }
}

/** Steps whose logits are on their way while later ones are submitted. */
const stepsInFlight = 8;

/** Appends `tokens` to the network's cache one at a time, each a decode step under the network's attention options, and
 *  yields the logits after each, in order; by then up to 8 steps more may be in the cache. */
export async function* scoreSteps(network: Network, tokens: readonly number[]): AsyncGenerator<ScoredRows> {
  const inFlight: { readonly first: number; readonly logits: Promise<Float32Array> }[] = [];
  const oldest = async (): Promise<ScoredRows> => {
    const { first, logits } = inFlight.shift()!;
    return { first, rows: 1, logits: await logits };
  };
  for (const token of tokens) {
    const first = network.cache.length;
    await network.prepareSteps(first, 1);
    const logits = network.decoder.logitsAfter(token, first);
    logits.catch(() => undefined); // a fault is told when these are read
    inFlight.push({ first, logits });
    network.cache.append([token]);
    if (inFlight.length > stepsInFlight) yield await oldest();
  }
  while (inFlight.length > 0) yield await oldest();
}

async function logitsOfRows(gpu: Gpu, network: Network, first: number, rows: number): Promise<Float32Array> {
  const { kernels, weights, config, prefill } = network;
  invariant(prefill.activations, 'rows are scored after a prefill');
  const arena = new Arena(gpu);
  try {
    const residual = arena.tensor('score.residual', 'f32', [rows, config.hidden]);
    const normed = arena.tensor('score.normed', 'f32', [rows, config.hidden]);
    const logits = arena.tensor('score.logits', 'f32', [rows, config.vocab]);
    const encoder = gpu.device.createCommandEncoder();
    const rowBytes = config.hidden * 4;
    encoder.copyBufferToBuffer(
      prefill.activations.residual.buffer,
      first * rowBytes,
      residual.buffer,
      0,
      rows * rowBytes,
    );
    gpu.device.queue.submit([encoder.finish()]);
    submitDispatches(gpu, [
      kernels.normRows(arena, 'score.normed', { x: residual, gain: weights.finalNorm, out: normed, rows }),
      ...kernels.projectRows(arena, 'score.logits', [weights.head], {
        x: normed,
        bias: null,
        out: logits,
        rows,
      }),
    ]);
    return await readF32(gpu, logits);
  } finally {
    arena.dispose();
  }
}
