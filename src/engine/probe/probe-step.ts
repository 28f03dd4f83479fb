/** Runs one decode step of the present context again, layer by layer, and reads back what each layer attended to beside
 *  what dense attention makes of the same query and cache. Leaves the network as it was. */
import { AppError, throwIfAborted } from '../../errors.ts';
import { prepareAttend } from '../../kernels/attend/attend.ts';
import {
  attentionTotalsShape,
  prepareAttentionWeights,
} from '../../kernels/attention-weights/attention-weights.ts';
import { Arena } from '../../kernels/runtime/arena.ts';
import { encodeDispatches, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { readF32, readU32 } from '../../kernels/runtime/readback.ts';
import type { AttentionLayer, AttentionPolicy } from '../attention/attention-policy.ts';
import { denseAttention } from '../attention/dense.ts';
import { allocating } from '../memory/allocating.ts';
import { decodeLayer } from '../network/decode-layer.ts';
import type { LayerCache } from '../network/kv-cache.ts';
import type { Network } from '../network/network.ts';
import { writeStep } from '../network/step.ts';
import type { ProbedStep } from '../token-engine.ts';
import { compareWithDense } from './compare-with-dense.ts';
import type { ProbedLayer, ProbeOptions } from './probe-types.ts';

/** @throws AppError "invalid-request" for an empty context or a position outside it; "aborted"; "out-of-memory". */
export async function probeStep(
  { gpu, network }: { readonly gpu: Gpu; readonly network: Network },
  { position: asked, signal }: ProbeOptions,
): Promise<ProbedStep> {
  const { cache, act, weights, kernels } = network;
  const tokens = [...cache.tokens];
  const position = checkedPosition(asked, tokens.length);
  const arena = new Arena(gpu);
  const putBack = keepAside(gpu, network, arena, position);
  try {
    await network.prepareSteps(position, 1);
    const { policies } = network;
    const runLayer = await createLayerProbe(gpu, network, arena);
    writeStep(gpu, act.step, { position, rows: 1, index: 0 });
    gpu.device.queue.writeBuffer(act.token.buffer, 0, Uint32Array.of(tokens[position]!));
    const embedding = { tokens: act.token, out: act.residual, rows: 1 };
    submitDispatches(gpu, kernels.embed(arena, 'embedding', weights.embedding, embedding));
    const layers: ProbedLayer[] = [];
    for (const [index, policy] of policies.entries()) {
      throwIfAborted(signal);
      layers.push(await runLayer(index, position, policy));
    }
    return { position, tokens, layers };
  } finally {
    putBack();
    arena.dispose();
  }
}

function checkedPosition(asked: number | undefined, length: number): number {
  const position = asked ?? length - 1;
  if (length === 0) {
    throw new AppError('invalid-request', 'There is no context to look into yet: generate something first.');
  }
  if (Number.isInteger(position) && position >= 0 && position < length) return position;
  throw new AppError(
    'invalid-request',
    `position must be an integer from 0 to ${length - 1}, a token of the context; got ${position}.`,
    { details: { parameter: 'position' } },
  );
}

/** Copies aside what the step changes besides keys and values, as an answer may go on from there: where that stands, and what
 *  is kept beside the cache. The function returned puts it back. */
function keepAside(gpu: Gpu, network: Network, arena: Arena, position: number): () => void {
  const { act, sparse } = network;
  const putBackDerived = sparse?.keepAside(arena, position);
  const kept = arena.buffer('probe.aside', 20);
  const aside = gpu.device.createCommandEncoder();
  aside.copyBufferToBuffer(act.step.buffer, 0, kept, 0, 16);
  aside.copyBufferToBuffer(act.token.buffer, 0, kept, 16, 4);
  gpu.device.queue.submit([aside.finish()]);
  return () => {
    const back = gpu.device.createCommandEncoder();
    back.copyBufferToBuffer(kept, 0, act.step.buffer, 0, 16);
    back.copyBufferToBuffer(kept, 16, act.token.buffer, 0, 4);
    gpu.device.queue.submit([back.finish()]);
    if (network.sparse === sparse) putBackDerived?.();
    else network.sparse?.truncate(position);
  };
}

/** Runs a layer, whose residual is ready, and says what it attended to. */
type LayerProbe = (index: number, position: number, policy: AttentionPolicy) => Promise<ProbedLayer>;

async function createLayerProbe(gpu: Gpu, network: Network, arena: Arena): Promise<LayerProbe> {
  const { config, cache, act, weights, kernels } = network;
  const { qHeads, kvHeads, headDim } = config;
  const { capacity } = cache;
  const [attend, weigh] = await Promise.all([
    prepareAttend(gpu, { headDim, group: qHeads / kvHeads }),
    prepareAttentionWeights(gpu),
  ]);
  const splits = attend.splitsFor(capacity, kvHeads);
  const scratch = await allocating(gpu, 'scratch for looking into a step', qHeads * capacity * 4, () => ({
    partials: arena.tensor('probe.partials', 'f32', attend.partialsShape(kvHeads, splits)),
    weights: arena.tensor('probe.weights', 'f32', [qHeads, capacity]),
    totals: arena.tensor('probe.totals', 'f32', attentionTotalsShape(qHeads)),
    dense: arena.tensor('probe.dense', 'f32', [qHeads, headDim]),
    rows: arena.buffer('probe.rows', 2 * kvHeads * headDim * 2),
  }));
  const dense = denseAttention({ attend, partials: scratch.partials, kvHeads, headDim, splits });

  /** The current token's keys and values as the context has them, aside and back: run alone they round otherwise. */
  function copyRows(encoder: GPUCommandEncoder, layer: LayerCache, position: number, way: 'aside' | 'back') {
    const rowBytes = headDim * 2;
    for (const [side, { buffer }] of [layer.key, layer.value].entries()) {
      for (let head = 0; head < kvHeads; head++) {
        const inCache = [buffer, (head * capacity + position) * rowBytes] as const;
        const kept = [scratch.rows, (side * kvHeads + head) * rowBytes] as const;
        const [from, to] = way === 'aside' ? [inCache, kept] : [kept, inCache];
        encoder.copyBufferToBuffer(...from, ...to, rowBytes);
      }
    }
  }

  return async (index, position, policy) => {
    const layerCache = cache.layer(index);
    const layer: AttentionLayer = {
      ...{ index, step: act.step, query: act.query, cache: layerCache, capacity },
      attended: act.attended,
    };
    const isDense = policy.name === 'dense';
    const selected = policy.selectedTokens?.(arena, layer);
    const label = `layer[${index}].attention.weights`;
    const whole = decodeLayer({
      ...{ arena, index, kernels, weights, act, cache, policy },
    });
    const beside = [
      ...(selected?.dispatches ?? []),
      ...weigh(arena, {
        ...{ label, step: act.step, query: act.query, keyCache: layerCache.key, capacity },
        ...{ weights: scratch.weights, totals: scratch.totals, qHeads, kvHeads, headDim },
      }),
      ...dense.attend(arena, { ...layer, attended: scratch.dense }),
    ];
    const encoder = gpu.device.createCommandEncoder();
    copyRows(encoder, layerCache, position, 'aside');
    encodeDispatches(encoder, isDense ? whole : [...whole, ...beside]);
    copyRows(encoder, layerCache, position, 'back');
    gpu.device.queue.submit([encoder.finish()]);

    const contextTokens = position + 1;
    const set = policy.attendedSet(contextTokens, index);
    const { sinkEnd, windowStart } = set;
    if (isDense) {
      const heads = Array.from({ length: qHeads }, () => ({ mass: 1, outputError: 0 }));
      return { isDense, sinkEnd, windowStart, lists: [], heads };
    }
    const [sparseOut, denseOut, shares, tokenLists] = await Promise.all([
      readF32(gpu, { ...act.attended, shape: [qHeads, headDim] }),
      readF32(gpu, scratch.dense),
      readF32(gpu, scratch.weights),
      selected ? readU32(gpu, selected.tokenLists) : new Uint32Array(kvHeads),
    ]);
    const compared = compareWithDense({
      ...{ contextTokens, set, tokenLists, lists: selected?.tokenLists.shape[0] ?? kvHeads },
      ...{ weights: shares, sparse: sparseOut, dense: denseOut, qHeads },
    });
    return { isDense, sinkEnd, windowStart, ...compared };
  };
}
