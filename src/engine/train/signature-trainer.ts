/** Signature maps in training on a device: their parameters, and the steps that improve them. The model itself runs
 *  as it does for a prompt; its queries and keys never leave the GPU. */
import { AppError } from '../../errors.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { readF32 } from '../../kernels/runtime/readback.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { packTrainStep } from '../../kernels/train-adam/train-adam.ts';
import type { RopeConfig } from '../../model/rope-config.ts';
import { allocating } from '../memory/allocating.ts';
import type { Network } from '../network/network.ts';
import { Prefill } from '../network/prefill.ts';
import { readCheckpoint, type TrainIdentity, writeCheckpoint } from './checkpoint.ts';
import type { TrainCorpus, TrainSequence } from './corpus.ts';
import { type LayerPassParts, type LayerState, measureLayer, trainLayer } from './layer-pass.ts';
import { initialParameters, type LayerLayout, layerLayout } from './map-layout.ts';
import { type Recall, summariseRecall } from './recall.ts';
import { scheduleAt } from './schedule.ts';
import { prepareTrainKernels, type TrainKernels } from './train-kernels.ts';
import type { TrainOptions } from './train-options.ts';
import { createTrainScratch, type TrainScratch } from './train-scratch.ts';
import { writeTrainedMaps } from './trained-maps.ts';

export interface TrainerParts {
  readonly gpu: Gpu;
  /** Its cache is used up by training. */
  readonly network: Network;
  /** What the network runs under. */
  readonly rope: RopeConfig;
  /** As the maps file will name it. */
  readonly model: string;
  readonly corpus: TrainCorpus;
  readonly options: TrainOptions;
}

/** Rows of a prefill chunk: always the same, so that a run gives the same bits again. */
const chunkRows = 2048;

interface TrainBuffers {
  readonly scratch: TrainScratch;
  readonly states: readonly LayerState[];
  readonly train: Tensor;
  readonly positions: Tensor;
  readonly recall: Tensor;
}

/** Lists of dispatches by sequence length, a list per layer. */
type Lists = Map<number, readonly (readonly Dispatch[])[]>;

export class SignatureTrainer {
  readonly #parts: TrainerParts;
  readonly #arena: Arena;
  readonly #kernels: TrainKernels;
  readonly #layout: LayerLayout;
  readonly #buffers: TrainBuffers;
  readonly #prefill: Prefill;
  readonly #lists: Lists = new Map();
  #step = 0;

  /** @param checkpoint of the same training, to go on from
   *  @throws AppError "invalid-request" when the model cannot take such sequences, "limit-exceeded", "out-of-memory",
   *  what reading the checkpoint throws. */
  static async create(parts: TrainerParts, checkpoint?: Uint8Array<ArrayBuffer>): Promise<SignatureTrainer> {
    const { gpu, network, options } = parts;
    const { config } = network;
    const longest = Math.max(...options.lengths);
    if (longest > network.plannedContext) {
      throw new AppError(
        'invalid-request',
        `training sequences of ${longest} tokens do not fit the context of ${network.plannedContext} tokens ${parts.model} is opened for. Choose shorter lengths.`,
      );
    }
    const layout = layerLayout(config, options);
    const kernels = await prepareTrainKernels(gpu, options.loss);
    await network.ensureCapacity(longest);
    const arena = new Arena(gpu);
    try {
      const buffers = await allocating(gpu, 'training signatures', 0, () =>
        createBuffers(arena, parts, layout),
      );
      const trainer = new SignatureTrainer(parts, arena, kernels, layout, buffers);
      if (checkpoint) trainer.#restore(checkpoint);
      else trainer.#initialise();
      return trainer;
    } catch (error) {
      arena.dispose();
      throw error;
    }
  }

  private constructor(
    parts: TrainerParts,
    arena: Arena,
    kernels: TrainKernels,
    layout: LayerLayout,
    buffers: TrainBuffers,
  ) {
    this.#parts = parts;
    this.#arena = arena;
    this.#kernels = kernels;
    this.#layout = layout;
    this.#buffers = buffers;
    const { gpu, network, options } = parts;
    const { config, weights, cache } = network;
    this.#prefill = new Prefill({
      ...{ gpu, config, weights, cache, kernels: network.kernels, chunkRows },
      observeQuery: (own, { index, step, query }) => [
        kernels.gather.rows(own, {
          ...{ label: `train[${index}].queries`, step, positions: buffers.positions, rows: query },
          ...{ out: buffers.states[index]!.queries, count: options.positions },
          width: config.qHeads * config.headDim,
        }),
      ],
    });
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  /** Bytes of GPU memory beside the model's own. */
  get byteLength(): number {
    return this.#arena.byteLength + this.#prefill.byteLength;
  }

  /** One step over one sequence. @throws AppError "aborted"; the step then has not happened. */
  async trainStep(signal?: AbortSignal): Promise<void> {
    const next = this.#step + 1;
    const sequence = this.#parts.corpus.sequence(next);
    await this.#prepare(sequence, next, signal);
    const length = sequence.tokens.length;
    let lists = this.#lists.get(length);
    if (!lists) {
      lists = this.#perLayer((parts) => trainLayer(parts), length, this.#arena);
      this.#lists.set(length, lists);
    }
    await this.#submit(lists);
    this.#step = next;
  }

  /** Mean loss over the layers in the step done last. Waits for it. */
  async readLoss(): Promise<number> {
    const losses = await readF32(this.#parts.gpu, this.#buffers.scratch.losses);
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  }

  /** How well the signatures of now find what attention looks at, in the text kept aside. */
  async measureRecall(signal?: AbortSignal): Promise<Recall> {
    const { gpu, corpus, options } = this.#parts;
    const rows: Float32Array[] = [];
    for (let index = 0; index < options.heldOut; index++) {
      const sequence = corpus.heldOut(index);
      await this.#prepare(sequence, Math.max(1, this.#step), signal);
      const arena = new Arena(gpu);
      const measure = (parts: LayerPassParts): readonly Dispatch[] =>
        measureLayer(parts, this.#buffers.recall);
      await this.#submit(this.#perLayer(measure, sequence.tokens.length, arena));
      rows.push(await readF32(gpu, this.#buffers.recall));
      arena.dispose();
    }
    return summariseRecall(rows, this.#parts.network.config.layers, this.#layout.headsPerList);
  }

  /** Everything that going on later needs. */
  async checkpoint(): Promise<Uint8Array<ArrayBuffer>> {
    const { gpu } = this.#parts;
    const layers = [];
    for (const { parameters, moments } of this.#buffers.states) {
      layers.push({ parameters: await readF32(gpu, parameters), moments: await readF32(gpu, moments) });
    }
    return writeCheckpoint(this.#identity(), { step: this.#step, layers });
  }

  /** hash_attention.safetensors as trained so far. */
  async maps(): Promise<Uint8Array<ArrayBuffer>> {
    const { gpu, options, model, rope } = this.#parts;
    const layers: Float32Array[] = [];
    for (const { parameters } of this.#buffers.states) layers.push(await readF32(gpu, parameters));
    return writeTrainedMaps({ layout: this.#layout, layers, options, model, rope });
  }

  /** The network stays, with nothing in its cache. */
  dispose(): void {
    this.#parts.network.truncate(0);
    this.#prefill.dispose();
    this.#arena.dispose();
  }

  /** Runs the model over the sequence: keys are in its cache then, queries of the sampled positions in their buffers. */
  async #prepare({ tokens, positions }: TrainSequence, step: number, signal?: AbortSignal): Promise<void> {
    const { gpu, network, options } = this.#parts;
    const { queue } = gpu.device;
    queue.writeBuffer(this.#buffers.positions.buffer, 0, positions);
    queue.writeBuffer(this.#buffers.train.buffer, 0, packTrainStep(step, scheduleAt(step, options)));
    network.truncate(0);
    for await (const _ of this.#prefill.run(tokens, signal));
  }

  #perLayer(
    make: (parts: LayerPassParts) => readonly Dispatch[],
    tokens: number,
    arena: Arena,
  ): (readonly Dispatch[])[] {
    const { network, options } = this.#parts;
    const { scratch, train, positions, states } = this.#buffers;
    const { cache, config } = network;
    return states.map((state, index) =>
      make({
        ...{ arena, kernels: this.#kernels, index, options, dimensions: config, layout: this.#layout },
        ...{ scratch, state, train, positions, tokens },
        ...{ keyCache: cache.layer(index).key, capacity: cache.capacity },
      }),
    );
  }

  /** A layer at a time, so that no submission keeps a slow device for long. */
  async #submit(lists: readonly (readonly Dispatch[])[]): Promise<void> {
    const { gpu } = this.#parts;
    for (const list of lists) submitDispatches(gpu, list);
    await gpu.device.queue.onSubmittedWorkDone();
  }

  #initialise(): void {
    const { gpu, options } = this.#parts;
    this.#buffers.states.forEach(({ parameters }, layer) => {
      gpu.device.queue.writeBuffer(
        parameters.buffer,
        0,
        initialParameters(this.#layout, options.seed, layer),
      );
    });
  }

  #restore(checkpoint: Uint8Array<ArrayBuffer>): void {
    const { queue } = this.#parts.gpu.device;
    const { step, layers } = readCheckpoint(checkpoint, this.#identity());
    layers.forEach(({ parameters, moments }, layer) => {
      const state = this.#buffers.states[layer]!;
      queue.writeBuffer(state.parameters.buffer, 0, parameters);
      queue.writeBuffer(state.moments.buffer, 0, moments);
    });
    this.#step = step;
  }

  #identity(): TrainIdentity {
    const { options, model, network } = this.#parts;
    return { options, model, layers: network.config.layers, count: this.#layout.count };
  }
}

function createBuffers(arena: Arena, { network, options }: TrainerParts, layout: LayerLayout): TrainBuffers {
  const { config } = network;
  const { layers, qHeads, headDim } = config;
  const { count, lists } = layout;
  const states = Array.from({ length: layers }, (_, layer): LayerState => {
    const tensor = (name: string, ...shape: number[]): Tensor =>
      arena.tensor(`train[${layer}].${name}`, 'f32', shape);
    return {
      parameters: tensor('parameters', count),
      moments: tensor('moments', count, 2),
      queries: tensor('queries', options.positions, qHeads, headDim),
    };
  });
  const train = arena.uniform('train', new ArrayBuffer(16));
  return {
    scratch: createTrainScratch(arena, config, layout, options, layers),
    states,
    train: { buffer: train, label: 'train', dtype: 'f32', shape: [4] },
    positions: arena.tensor('train.positions', 'u32', [options.positions]),
    recall: arena.tensor('train.recall', 'f32', [layers * lists * options.positions, 4]),
  };
}
