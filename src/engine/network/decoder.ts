/** The dispatch lists of a decode step for the cache and the attention policies as they are, and their replay. */
import { invariant } from '../../errors.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, encodeDispatches, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { readF32 } from '../../kernels/runtime/readback.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { ResultRecord } from '../../kernels/sample/result-record.ts';
import type { Sampler, SamplerBuffers } from '../../kernels/sample/sampler.ts';
import { type DecodeStepInput, decodeStep, logitsOf } from './decode-step.ts';
import { writeStep } from './step.ts';
import { ringSlots, type TokenReadback } from './token-readback.ts';

/** Which of the sampler's lists ends the step: greedy at temperature 0. */
export type SamplingKind = 'greedy' | 'sampled';

export interface DecoderParts extends Omit<DecodeStepInput, 'arena'> {
  readonly gpu: Gpu;
  readonly sampler: Sampler;
  readonly sampling: SamplerBuffers;
  readonly readback: TokenReadback;
}

export class Decoder {
  readonly #parts: DecoderParts;
  readonly #arena: Arena;
  /** How a step ends: from logits to the chosen token. */
  readonly #sampling: Record<SamplingKind, readonly Dispatch[]>;
  /** From the last residual of a prefill to logits. */
  readonly #head: readonly Dispatch[];
  #builtStep: readonly Dispatch[] | undefined;

  constructor(parts: DecoderParts) {
    this.#parts = parts;
    this.#arena = new Arena(parts.gpu);
    const { sampler, sampling, act } = parts;
    const bindings = { logits: act.logits, tokens: act.token, step: act.step };
    this.#sampling = {
      greedy: sampler.greedyList(this.#arena, bindings, sampling),
      sampled: sampler.sampledList(this.#arena, bindings, sampling),
    };
    this.#head = logitsOf({ ...parts, arena: this.#arena }, act.residual);
  }

  /** From a token to the next. */
  stepList(kind: SamplingKind): readonly Dispatch[] {
    return [...this.#logits, ...this.#sampling[kind]];
  }

  /** From a token to logits. Built when first asked for: the first token of an answer is chosen before it is known how the
   *  steps after it attend. */
  get #logits(): readonly Dispatch[] {
    this.#builtStep ??= decodeStep({ ...this.#parts, arena: this.#arena });
    return this.#builtStep;
  }

  /** Chooses the first token of an answer from one row of a prefill's last residual.
   *  contextTokens: tokens in the cache; index: tokens of the answer before this one (0 unless resumed). */
  submitFirst(options: {
    readonly kind: SamplingKind;
    readonly residual: Tensor;
    readonly row: number;
    readonly contextTokens: number;
    readonly index: number;
  }): Promise<ResultRecord[]> {
    const { gpu, act, weights, sampling, readback } = this.#parts;
    const rowBytes = weights.embedding.columns * 4;
    // the sampler moves the position on by one
    writeStep(gpu, act.step, { position: options.contextTokens - 1, rows: 1, index: options.index });
    const encoder = gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(
      options.residual.buffer,
      options.row * rowBytes,
      act.residual.buffer,
      0,
      rowBytes,
    );
    encodeDispatches(encoder, [...this.#head, ...this.#sampling[options.kind]]);
    return readback.submit(encoder, sampling.results, options.index, 1);
  }

  /** Runs `count` steps; the records arrive when the GPU is done. index: tokens of the answer before these. */
  submitSteps(kind: SamplingKind, index: number, count: number): Promise<ResultRecord[]> {
    invariant(count >= 1 && count <= ringSlots / 2, `a batch is 1 to ${ringSlots / 2} steps, got ${count}`);
    const { gpu, sampling, readback } = this.#parts;
    const encoder = gpu.device.createCommandEncoder();
    const list = this.stepList(kind);
    encodeDispatches(encoder, Array.from({ length: count }, () => list).flat());
    return readback.submit(encoder, sampling.results, index, count);
  }

  /** Processes one given token: its keys and values go to `position`, and nothing is chosen from its logits.
   *  Returns f32 [vocab]. */
  async logitsAfter(token: number, position: number): Promise<Float32Array> {
    const { gpu, act, weights } = this.#parts;
    gpu.device.queue.writeBuffer(act.token.buffer, 0, Uint32Array.of(token));
    writeStep(gpu, act.step, { position, rows: 1, index: 0 });
    submitDispatches(gpu, this.#logits);
    return (await readF32(gpu, act.logits)).subarray(0, weights.head.rows);
  }

  dispose(): void {
    this.#arena.dispose();
  }
}
