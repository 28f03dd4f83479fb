/** Scores text under an attention policy, many positions at a time: what decoding token by token would score with the
 *  text given, at the speed of a prefill. */
import { invariant } from '../../errors.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { readBytes, readF32, readU32 } from '../../kernels/runtime/readback.ts';
import { centreOnKeys, type ModelHashMaps } from '../attention/model-hash-maps.ts';
import { layerChoices } from '../attention/sparse-choices.ts';
import { createPrefillActivations, type PrefillActivations } from '../network/activations.ts';
import type { Network } from '../network/network.ts';
import { writeStep } from '../network/step.ts';
import { type LayerQuality, QualitySums } from './layer-quality.ts';
import { type ChunkLists, PolicyLists } from './policy-lists.ts';
import type { RowScratch } from './row-attention.ts';
import { prepareRowKernels, type RowKernels } from './row-kernels.ts';
import type { RowOutputs } from './row-lists.ts';
import { planRows, type RowPlan, type RowPolicy } from './row-policy.ts';
import { RowResources } from './row-resources.ts';

export interface RowScores {
  /** Natural-log loss of each target. */
  readonly losses: Float32Array;
  /** The likeliest token at each position. */
  readonly tops: Uint32Array;
  /** By sparse layer, where asked for. */
  readonly quality: readonly LayerQuality[];
}

/** Logits computed together, in floats: 64 MiB. */
const mostLogits = 2 ** 24;

/** Policies whose dispatch lists are kept, to be evaluated again. */
const mostPolicies = 64;

export class RowEvaluator {
  readonly #gpu: Gpu;
  readonly #network: Network;
  readonly #arena: Arena;
  readonly #act: PrefillActivations;
  readonly #outputs: RowOutputs;
  readonly #centred = new WeakSet<ModelHashMaps>();
  readonly #lists: PolicyLists;
  #resources: RowResources | undefined;

  /** rows: positions scored together, as many as are fast unless told; policies: what is built for so many is kept, 64
   *  unless told. */
  static async create(
    gpu: Gpu,
    network: Network,
    {
      rows = rowsAtOnce(gpu, network),
      policies = mostPolicies,
    }: { readonly rows?: number; readonly policies?: number } = {},
  ): Promise<RowEvaluator> {
    const kernels = await prepareRowKernels(gpu, network.config.headDim);
    return new RowEvaluator(gpu, network, kernels, { rows, policies });
  }

  private constructor(
    gpu: Gpu,
    network: Network,
    kernels: RowKernels,
    { rows, policies }: { readonly rows: number; readonly policies: number },
  ) {
    const { config } = network;
    this.#gpu = gpu;
    this.#network = network;
    this.#arena = new Arena(gpu);
    this.#act = createPrefillActivations(this.#arena, config, rows);
    // parts of the rows begin at multiples of 256 bytes
    const logitRows = Math.max(64, 2 ** Math.floor(Math.log2(mostLogits / config.vocab)));
    this.#outputs = {
      logits: this.#arena.tensor('rows.logits', 'f32', [Math.min(rows, logitRows), config.vocab]),
      targets: this.#arena.tensor('rows.targets', 'u32', [rows]),
      losses: this.#arena.tensor('rows.losses', 'f32', [rows]),
      tops: this.#arena.tensor('rows.tops', 'u32', [rows]),
    };
    const parts = { gpu, network, kernels, act: this.#act, outputs: this.#outputs };
    this.#lists = new PolicyLists(parts, policies);
  }

  /** Reads a text densely, in place of what the cache held beyond their common beginning; `room`: tokens that follow. */
  async read(tokens: readonly number[], room: number): Promise<void> {
    const { cache, prefill } = this.#network;
    const common = cache.commonPrefix(tokens);
    this.#network.truncate(common);
    this.#resources?.truncate(common);
    await this.#network.ensureCapacity(tokens.length + room);
    for await (const _ of prefill.run(tokens.slice(cache.length)));
  }

  /** Losses of targets[i] after tokens[0 … i], which follow what has been read and are forgotten again.
   *  measures: also finds out how good the choice of tokens is, in about twice the time.
   *  @throws AppError "invalid-request" for attention options; "out-of-memory". */
  async score(
    policy: RowPolicy,
    tokens: readonly number[],
    targets: readonly number[],
    { measures = false }: { readonly measures?: boolean } = {},
  ): Promise<RowScores> {
    invariant(tokens.length === targets.length, `${tokens.length} tokens for ${targets.length} targets`);
    const start = this.#network.cache.length;
    const plan = planRows(policy, this.#network.config);
    const resources = await this.#prepare(policy, start, tokens.length);
    const losses = new Float32Array(tokens.length);
    const tops = new Uint32Array(tokens.length);
    const quality = new QualitySums();
    for (let first = 0; first < tokens.length; first += this.#act.tokens) {
      const rows = Math.min(this.#act.tokens, tokens.length - first);
      const kind = { rows, measures: measures && plan !== null };
      const lists = await this.#lists.of(policy, plan, kind, resources);
      this.#write(start + first, tokens.slice(first, first + rows), targets.slice(first, first + rows));
      await this.#submit(lists.groups);
      losses.set(await readF32(this.#gpu, { ...this.#outputs.losses, shape: [rows] }), first);
      tops.set(await readU32(this.#gpu, { ...this.#outputs.tops, shape: [rows] }), first);
      if (plan) await this.#addQuality(quality, lists, plan, { position: start + first, count: rows });
    }
    return { losses, tops, quality: quality.layers() };
  }

  /** What the chunk scored last left behind: its activations in the last layer, and the masks of its last sparse layer. */
  async lastChunk(
    policy: RowPolicy,
  ): Promise<{ readonly act: PrefillActivations; readonly scratch: RowScratch | null }> {
    const plan = planRows(policy, this.#network.config);
    const scratch = plan && (await this.#resources?.scratch(plan.lists, plan.selector.kind === 'oracle'));
    return { act: this.#act, scratch: scratch ?? null };
  }

  dispose(): void {
    this.#forgetResources();
    this.#arena.dispose();
  }

  /** Room in the cache; buffers of its capacity; signatures of what has been read. */
  async #prepare({ maps }: RowPolicy, start: number, tokens: number): Promise<RowResources> {
    const { config, cache } = this.#network;
    await this.#network.ensureCapacity(start + tokens);
    const resources = this.#resourcesFor(cache.capacity);
    if (!maps) return resources;
    if (maps.untrained && !this.#centred.has(maps)) {
      await centreOnKeys(this.#gpu, config, maps.untrained, cache, start);
      this.#centred.add(maps);
    }
    await (await resources.signatures(maps.maps)).caches.catchUp(start);
    return resources;
  }

  #resourcesFor(capacity: number): RowResources {
    if (this.#resources?.capacity === capacity) return this.#resources;
    this.#forgetResources();
    this.#resources = new RowResources(this.#gpu, this.#network, this.#act.tokens);
    return this.#resources;
  }

  #write(position: number, tokens: readonly number[], targets: readonly number[]): void {
    const { queue } = this.#gpu.device;
    queue.writeBuffer(this.#act.ids.buffer, 0, Uint32Array.from(tokens));
    queue.writeBuffer(this.#outputs.targets.buffer, 0, Uint32Array.from(targets));
    writeStep(this.#gpu, this.#act.step, { position, rows: tokens.length, index: 0 });
  }

  /** One submission a group where it takes long. */
  async #submit(groups: readonly (readonly Dispatch[])[]): Promise<void> {
    if (!this.#gpu.traits.isCpu) return submitDispatches(this.#gpu, groups.flat());
    for (const group of groups) {
      submitDispatches(this.#gpu, group);
      await this.#gpu.device.queue.onSubmittedWorkDone();
    }
  }

  async #addQuality(
    sums: QualitySums,
    { quality }: ChunkLists,
    plan: RowPlan,
    rows: { readonly position: number; readonly count: number },
  ): Promise<void> {
    const first = quality.values().next().value;
    if (!first) return;
    const bytes = await readBytes(this.#gpu, { buffer: first.buffer }, first.buffer.size);
    const { lists } = plan;
    const shape = { lists, room: this.#act.tokens, listHeads: this.#network.config.qHeads / lists };
    for (const [layer, { offset = 0, size }] of quality) {
      const values = new Float32Array(bytes, offset, size! / 4);
      sums.add(layer, values, shape, rows, layerChoices(plan.choices, layer));
    }
  }

  #forgetResources(): void {
    this.#lists.forget();
    this.#resources?.dispose();
    this.#resources = undefined;
  }
}

/** A power of two: two thousand rows keep a large device busy, and the exact mass of all must fit one binding. */
function rowsAtOnce(gpu: Gpu, network: Network): number {
  const { qHeads } = network.config;
  const perRow = qHeads * network.plannedContext * 4;
  const most = gpu.traits.isCpu ? 32 : 2048;
  const fitting = gpu.device.limits.maxStorageBufferBindingSize / perRow;
  return Math.max(1, Math.min(most, 2 ** Math.floor(Math.log2(fitting))));
}
