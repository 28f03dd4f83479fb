/** The dispatches that score a chunk of rows under one policy: embedding, layers, head, losses. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { BufferSlice, Tensor } from '../../kernels/runtime/tensor.ts';
import type { PrefillActivations } from '../network/activations.ts';
import type { Network } from '../network/network.ts';
import { prefillLayer } from '../network/prefill-layer.ts';
import { attendRowsSparsely, type RowAttentionParts } from './row-attention.ts';
import type { RowKernels } from './row-kernels.ts';

/** Where the scores of a chunk go. */
export interface RowOutputs {
  /** f32 [logit rows, vocab]: so many rows' logits are there at a time. */
  readonly logits: Tensor;
  /** Each [rows]. */
  readonly targets: Tensor;
  readonly losses: Tensor;
  readonly tops: Tensor;
}

export interface RowListInput {
  readonly arena: Arena;
  readonly network: Network;
  readonly kernels: RowKernels;
  readonly act: PrefillActivations;
  readonly outputs: RowOutputs;
  readonly rows: number;
  /** Of each layer; null: it attends to everything. */
  readonly attentionOf: (layer: number) => RowAttentionParts | null;
  /** Where a layer's quality is to be written; null where it is not asked for. */
  readonly qualityOf: (layer: number) => BufferSlice | null;
}

/** In groups that one submission can take: embedding, each layer, each part of the head. */
export function rowLists(input: RowListInput): Dispatch[][] {
  const { arena, network, act, rows } = input;
  const { kernels, weights, cache } = network;
  const embedding = kernels.embed(arena, 'embedding', weights.embedding, {
    tokens: act.ids,
    out: act.residual,
    rows,
  });
  const layers = weights.layers.map((layer, index) => {
    const attention = input.attentionOf(index);
    const attend = attention && (() => attendRowsSparsely(arena, attention, rowLayer(input, index)));
    return prefillLayer({ arena, index, kernels, layer, act, cache, rows, ...(attend ? { attend } : {}) });
  });
  return [embedding, ...layers, ...headLists(input)];
}

function rowLayer({ network, act, rows, qualityOf }: RowListInput, index: number) {
  const { step, query, attended } = act;
  return { index, rows, step, query, attended, cache: network.cache.layer(index), quality: qualityOf(index) };
}

function headLists({ arena, network, kernels, act, outputs, rows }: RowListInput): Dispatch[][] {
  const { weights, config } = network;
  const { hidden, vocab } = config;
  const together = outputs.logits.shape[0]!;
  const slice = (tensor: Tensor, first: number, width: number): Tensor => ({
    ...tensor,
    offset: first * width * 4,
  });
  return Array.from({ length: Math.ceil(rows / together) }, (_, part) => {
    const first = part * together;
    const count = Math.min(together, rows - first);
    const label = `rows[${first}]`;
    const x = slice(act.residual, first, hidden);
    const normed = slice(act.normed, first, hidden);
    return [
      network.kernels.normRows(arena, `${label}.normed`, {
        x,
        gain: weights.finalNorm,
        out: normed,
        rows: count,
      }),
      ...network.kernels.projectRows(arena, `${label}.logits`, [weights.head], {
        ...{ x: normed, bias: null, out: outputs.logits, rows: count },
      }),
      kernels.loss(arena, {
        label: `${label}.losses`,
        logits: outputs.logits,
        targets: slice(outputs.targets, first, 1),
        losses: slice(outputs.losses, first, 1),
        tops: slice(outputs.tops, first, 1),
        ...{ rows: count, vocab },
      }),
    ];
  });
}
