/** Signature maps in training: their parameters on a device, and the steps that improve them. */
import { Arena, bufferUsage } from '../../kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { readF32 } from '../../kernels/runtime/readback.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import { packTrainStep } from '../../kernels/train-adam/train-adam.ts';
import type { RopeConfig } from '../../model/rope-config.ts';
import { allocating } from '../memory/allocating.ts';
import { readCheckpoint, type TrainIdentity, writeCheckpoint } from './checkpoint.ts';
import { firstParameters } from './first-parameters.ts';
import { type LayerLayout, layerLayout } from './map-layout.ts';
import { measureLayer } from './measure-layer.ts';
import { scheduleAt } from './schedule.ts';
import type { LayerPassParts, LayerState } from './score-layer.ts';
import type { SequenceCapture } from './sequence-capture.ts';
import { prepareTrainKernels, type TrainKernels } from './train-kernels.ts';
import { trainLayer } from './train-layer.ts';
import type { TrainOptions } from './train-options.ts';
import { createTrainScratch, matrixBytes, type TrainScratch } from './train-scratch.ts';
import { writeTrainedMaps } from './trained-maps.ts';

export interface TrainerParts {
  readonly gpu: Gpu;
  readonly capture: SequenceCapture;
  /** What the network runs under. */
  readonly rope: RopeConfig;
  /** As the maps file will name it. */
  readonly model: string;
  readonly options: TrainOptions;
}

/** Where training begins; a checkpoint wins. Neither: at random maps that the seed gives. */
export interface TrainStart {
  /** Of the same training, to go on from. */
  readonly checkpoint?: Uint8Array<ArrayBuffer> | undefined;
  /** hash_attention.safetensors of the same layout: its maps, with all steps yet to do and Adam's moments at zero. */
  readonly from?: Uint8Array<ArrayBuffer> | undefined;
}

interface TrainBuffers {
  readonly scratch: TrainScratch;
  readonly states: readonly LayerState[];
  readonly train: Tensor;
  readonly recall: Tensor;
}

export class SignatureTrainer {
  readonly #parts: TrainerParts;
  readonly #arena: Arena;
  readonly #kernels: TrainKernels;
  readonly #layout: LayerLayout;
  readonly #buffers: TrainBuffers;
  /** By sequence length: a list of dispatches per layer. */
  readonly #lists = new Map<number, readonly (readonly Dispatch[])[]>();
  #step = 0;

  /** @throws AppError "limit-exceeded", "out-of-memory", what reading the checkpoint or the maps throws. */
  static async create(parts: TrainerParts, start: TrainStart = {}): Promise<SignatureTrainer> {
    const { gpu, options, capture } = parts;
    const { config } = capture.network;
    const layout = layerLayout(config, options);
    const kernels = await prepareTrainKernels(gpu, options.loss);
    const arena = new Arena(gpu);
    try {
      const what = `training signatures on ${Math.max(...options.lengths)} tokens at a time`;
      const most = 4 * matrixBytes + 12 * config.layers * layout.count;
      const buffers = await allocating(gpu, what, most, () => createBuffers(arena, parts, layout));
      const trainer = new SignatureTrainer(parts, arena, kernels, layout, buffers);
      trainer.#start(start);
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
  }

  /** Steps done. */
  get step(): number {
    return this.#step;
  }

  get headsPerList(): number {
    return this.#layout.headsPerList;
  }

  /** Bytes of GPU memory, the capture's not counted. */
  get byteLength(): number {
    return this.#arena.byteLength;
  }

  /** One step over the sequence captured last.
   *  @param tokens its length */
  async trainStep(tokens: number): Promise<void> {
    const { gpu, options } = this.#parts;
    this.#step++;
    const now = packTrainStep(this.#step, scheduleAt(this.#step, options));
    gpu.device.queue.writeBuffer(this.#buffers.train.buffer, 0, now);
    let lists = this.#lists.get(tokens);
    if (!lists) {
      lists = this.#perLayer(trainLayer, tokens, this.#arena);
      this.#lists.set(tokens, lists);
    }
    await this.#submit(lists);
  }

  /** Mean loss over the layers in the step done last. Waits for it. */
  async readLoss(): Promise<number> {
    const losses = await readF32(this.#parts.gpu, this.#buffers.scratch.losses);
    return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
  }

  /** How well the signatures of now find what attention looks at in the sequence captured last: rows for
   *  `summariseRecall`.
   *  @param share of the context that is selected */
  async measureRows(tokens: number, share = this.#parts.options.recallShare): Promise<Float32Array> {
    const { gpu } = this.#parts;
    const arena = new Arena(gpu);
    const measure = (parts: LayerPassParts): readonly Dispatch[] =>
      measureLayer(parts, this.#buffers.recall, share);
    await this.#submit(this.#perLayer(measure, tokens, arena));
    arena.dispose();
    return readF32(gpu, this.#buffers.recall);
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

  /** hash_attention.safetensors as trained so far.
   *  @param layerBudgets to stand in it; null: none */
  async maps(layerBudgets: readonly number[] | null): Promise<Uint8Array<ArrayBuffer>> {
    const { gpu, options, model, rope } = this.#parts;
    const layers: Float32Array[] = [];
    for (const { parameters } of this.#buffers.states) layers.push(await readF32(gpu, parameters));
    return writeTrainedMaps({ layout: this.#layout, layers, options, model, rope, layerBudgets });
  }

  dispose(): void {
    this.#arena.dispose();
  }

  #perLayer(
    make: (parts: LayerPassParts) => readonly Dispatch[],
    tokens: number,
    arena: Arena,
  ): (readonly Dispatch[])[] {
    const { capture, options } = this.#parts;
    const { scratch, train, states } = this.#buffers;
    const { cache, config } = capture.network;
    return states.map((state, index) =>
      make({
        ...{ arena, kernels: this.#kernels, index, options, dimensions: config, layout: this.#layout },
        ...{ scratch, state, train, positions: capture.positions, tokens },
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

  /** Moments are zero where nothing is written. */
  #start({ checkpoint, from }: TrainStart): void {
    const { gpu, capture, options } = this.#parts;
    const { queue } = gpu.device;
    const restored = checkpoint && readCheckpoint(checkpoint, this.#identity());
    const first =
      restored?.layers.map(({ parameters }) => parameters) ??
      firstParameters({ config: capture.network.config, layout: this.#layout, options }, from);
    this.#buffers.states.forEach(({ parameters, moments }, layer) => {
      queue.writeBuffer(parameters.buffer, 0, first[layer]!);
      if (restored) queue.writeBuffer(moments.buffer, 0, restored.layers[layer]!.moments);
    });
    this.#step = restored?.step ?? 0;
  }

  #identity(): TrainIdentity {
    const { options, model, capture } = this.#parts;
    return { options, model, layers: capture.network.config.layers, count: this.#layout.count };
  }
}

function createBuffers(arena: Arena, { capture, options }: TrainerParts, layout: LayerLayout): TrainBuffers {
  const { config } = capture.network;
  const { count, lists } = layout;
  const states = capture.queries.map((queries, layer): LayerState => {
    const tensor = (name: string, ...shape: number[]): Tensor =>
      arena.tensor(`train[${layer}].${name}`, 'f32', shape);
    return { parameters: tensor('parameters', count), moments: tensor('moments', count, 2), queries };
  });
  const train = arena.buffer('train', 16, bufferUsage.uniform | bufferUsage.copyDst);
  return {
    scratch: createTrainScratch(arena, config, layout, options, config.layers),
    states,
    train: { buffer: train, label: 'train', dtype: 'f32', shape: [4] },
    recall: arena.tensor('train.recall', 'f32', [config.layers * lists * options.positions, 4]),
  };
}
