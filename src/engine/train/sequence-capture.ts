/** What training reads of the model: it runs over a sequence as over a prompt, and leaves its keys in its cache and the
 *  queries at the sequence's positions here. Several trainings may read the same. */
import { AppError } from '../../errors.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { prepareTrainGather, type TrainGather } from '../../kernels/train-gather/train-gather.ts';
import { allocating } from '../memory/allocating.ts';
import type { Network } from '../network/network.ts';
import { Prefill } from '../network/prefill.ts';
import type { TrainSequence } from './corpus.ts';

/** Rows of a prefill chunk: always the same, so that a run gives the same bits again. */
const chunkRows = 2048;

export interface CaptureParts {
  readonly gpu: Gpu;
  /** Its cache is used up. */
  readonly network: Network;
  /** Longest sequence, and positions of every sequence. */
  readonly tokens: number;
  readonly positions: number;
}

export class SequenceCapture {
  readonly network: Network;
  /** u32 [positions]: of the sequence captured last. */
  readonly positions: Tensor;
  /** Of every layer, after RoPE: f32 [positions, qHeads, headDim]. */
  readonly queries: readonly Tensor[];
  readonly #gpu: Gpu;
  readonly #arena: Arena;
  readonly #prefill: Prefill;

  /** @throws AppError "invalid-request" when the context is too short, "out-of-memory". */
  static async create(parts: CaptureParts): Promise<SequenceCapture> {
    const { gpu, network, tokens } = parts;
    if (tokens > network.plannedContext) {
      throw new AppError(
        'invalid-request',
        `training sequences of ${tokens} tokens do not fit the context of ${network.plannedContext} tokens the model is opened for. Choose shorter lengths.`,
      );
    }
    await network.ensureCapacity(tokens);
    const gather = await prepareTrainGather(gpu);
    const { layers, qHeads, headDim } = network.config;
    const bytes = layers * parts.positions * qHeads * headDim * 4;
    let made: SequenceCapture | undefined;
    try {
      const make = (): SequenceCapture => {
        made = new SequenceCapture(parts, gather);
        return made;
      };
      return await allocating(gpu, 'captured queries', bytes, make);
    } catch (error) {
      made?.dispose();
      throw error;
    }
  }

  private constructor({ gpu, network, positions }: CaptureParts, gather: TrainGather) {
    this.#gpu = gpu;
    this.network = network;
    this.#arena = new Arena(gpu);
    const { config, weights, cache, kernels } = network;
    const { layers, qHeads, headDim } = config;
    this.positions = this.#arena.tensor('capture.positions', 'u32', [positions]);
    this.queries = Array.from({ length: layers }, (_, layer) =>
      this.#arena.tensor(`capture[${layer}].queries`, 'f32', [positions, qHeads, headDim]),
    );
    this.#prefill = new Prefill({
      ...{ gpu, config, weights, cache, kernels, chunkRows },
      observeQuery: (arena, { index, step, query }) => [
        gather.rows(arena, {
          ...{ label: `capture[${index}].queries`, step, positions: this.positions, rows: query },
          ...{ out: this.queries[index]!, count: positions, width: qHeads * headDim },
        }),
      ],
    });
  }

  /** Bytes of GPU memory beside the network's own. */
  get byteLength(): number {
    return this.#arena.byteLength + this.#prefill.byteLength;
  }

  async run({ tokens, positions }: TrainSequence, signal?: AbortSignal): Promise<void> {
    this.#gpu.device.queue.writeBuffer(this.positions.buffer, 0, positions);
    this.network.truncate(0);
    for await (const _ of this.#prefill.run(tokens, signal));
  }

  /** The network stays, with nothing in its cache. */
  dispose(): void {
    this.network.truncate(0);
    this.#prefill.dispose();
    this.#arena.dispose();
  }
}
