/** Dispatch lists that score chunks of rows: built for a policy when first wanted, and kept to be used again. */
import { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { BufferSlice } from '../../kernels/runtime/tensor.ts';
import { budgetUniform, layerChoices } from '../attention/sparse-choices.ts';
import type { RowAttentionParts, RowSelector } from './row-attention.ts';
import { type RowListInput, rowLists } from './row-lists.ts';
import { isSparseLayer, type RowPlan, type RowPolicy } from './row-policy.ts';
import type { RowResources } from './row-resources.ts';

/** What the dispatches for a chunk depend on, besides the policy. */
export interface ChunkKind {
  readonly rows: number;
  readonly measures: boolean;
}

export interface ChunkLists {
  readonly arena: Arena;
  readonly groups: readonly (readonly Dispatch[])[];
  /** Where each sparse layer's quality is, f32 [lists, rows, 2]; empty where it is not asked for. */
  readonly quality: ReadonlyMap<number, BufferSlice>;
}

/** What the lists of every policy bind. */
type Shared = Pick<RowListInput, 'network' | 'kernels' | 'act' | 'outputs'>;

export class PolicyLists {
  readonly #gpu: Gpu;
  readonly #shared: Shared;
  readonly #mostPolicies: number;
  #lists = new Map<RowPolicy, Map<string, ChunkLists>>();

  /** @param mostPolicies beyond so many, all are forgotten */
  constructor({ gpu, ...shared }: Shared & { readonly gpu: Gpu }, mostPolicies: number) {
    this.#gpu = gpu;
    this.#shared = shared;
    this.#mostPolicies = mostPolicies;
  }

  /** @param plan of the policy; null: dense
   *  @param resources of the cache's present capacity: `forget` when they are replaced */
  async of(
    policy: RowPolicy,
    plan: RowPlan | null,
    kind: ChunkKind,
    resources: RowResources,
  ): Promise<ChunkLists> {
    const key = JSON.stringify(kind);
    const known = this.#lists.get(policy)?.get(key);
    if (known) return known;
    if (this.#lists.size >= this.#mostPolicies && !this.#lists.has(policy)) this.forget();
    const made = await this.#build(plan, kind, resources);
    const ofPolicy = this.#lists.get(policy) ?? new Map<string, ChunkLists>();
    ofPolicy.set(key, made);
    this.#lists.set(policy, ofPolicy);
    return made;
  }

  async #build(plan: RowPlan | null, kind: ChunkKind, resources: RowResources): Promise<ChunkLists> {
    const { rows, measures } = kind;
    const arena = new Arena(this.#gpu);
    const attentionOf = plan ? await this.#attention(arena, plan, kind, resources) : () => null;
    const quality = measures && plan ? this.#qualitySlices(arena, plan) : new Map();
    const groups = rowLists({
      ...this.#shared,
      ...{ arena, rows, attentionOf, qualityOf: (layer) => quality.get(layer) ?? null },
    });
    return { arena, groups, quality };
  }

  /** What each layer of `plan` attends by; null where it is dense. */
  async #attention(arena: Arena, plan: RowPlan, kind: ChunkKind, resources: RowResources) {
    const { network, kernels } = this.#shared;
    const { config } = network;
    const { choices, selector, lists, proxy } = plan;
    const shared = {
      ...{ config, kernels, lists, tail: choices.tail, proxy, capacity: resources.capacity },
      selector: await selectorOf(selector, resources),
      scratch: await resources.scratch(lists, kind.measures || selector.kind === 'oracle'),
    };
    const parts = Array.from({ length: config.layers }, (_, layer): RowAttentionParts | null => {
      if (!isSparseLayer(plan, layer)) return null;
      return { ...shared, budget: budgetUniform(arena, layerChoices(plan.choices, layer)) };
    });
    return (layer: number) => parts[layer]!;
  }

  #qualitySlices(arena: Arena, plan: RowPlan): Map<number, BufferSlice> {
    const { network, act } = this.#shared;
    const { layers } = network.config;
    const size = plan.lists * act.tokens * 8;
    const stride = Math.ceil(size / 256) * 256;
    const buffer = arena.buffer('rows.quality', layers * stride);
    return new Map(
      Array.from({ length: layers }, (_, layer) => layer)
        .filter((layer) => isSparseLayer(plan, layer))
        .map((layer) => [layer, { buffer, offset: layer * stride, size }]),
    );
  }

  /** The lists bind buffers of the cache and of the resources: call when those are replaced. */
  forget(): void {
    for (const ofPolicy of this.#lists.values()) {
      for (const { arena } of ofPolicy.values()) arena.dispose();
    }
    this.#lists = new Map();
  }
}

async function selectorOf(selector: RowPlan['selector'], resources: RowResources): Promise<RowSelector> {
  if (selector.kind !== 'hash') return selector;
  const { derived, caches } = await resources.signatures(selector.maps);
  return { ...selector, derived, signaturesOf: (layer) => caches.tensor(derived, layer) };
}
