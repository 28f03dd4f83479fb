/** Chooses the next token on the GPU and hands it to the next step: the tail of every list of dispatches.
 *
 *  Greedy: scan → greedy. Sampled: scan → histogram → draw. What is chosen: sample.ref.ts; how: the WGSL files.
 *  Both lists also set tokens[0], history[token] += 1, step.position += 1, step.index += 1 and write the record
 *  of the token to slot `index % ringSlots` of `results`, index being that before the step. */
import { invariant } from '../../errors.ts';
import { type Arena, bufferUsage } from '../runtime/arena.ts';
import { defineKernel, prepareKernel } from '../runtime/define-kernel.ts';
import type { Dispatch } from '../runtime/dispatch.ts';
import type { Gpu } from '../runtime/gpu.ts';
import type { BufferSlice, Tensor } from '../runtime/tensor.ts';
import stepStruct from '../shared/step.wgsl?raw';
import bins from './bins.wgsl?raw';
import chunksSource from './chunks.wgsl?raw';
import cut from './cut.wgsl?raw';
import drawSource from './draw.wgsl?raw';
import finish from './finish.wgsl?raw';
import greedySource from './greedy.wgsl?raw';
import histogramSource from './histogram.wgsl?raw';
import mass from './mass.wgsl?raw';
import paramsStruct from './params.wgsl?raw';
import pick from './pick.wgsl?raw';
import quads from './quads.wgsl?raw';
import random from './random.wgsl?raw';
import { recordBytes } from './result-record.ts';
import { samplingParamsBytes } from './sampling-params.ts';
import scanSource from './scan-logits.wgsl?raw';

const chunkSize = 2048;
const chunkBytes = 24;
const histogramBytesPerChunk = 256 * 16;

/** Lanes of a workgroup. 4 for adapters that run on the CPU: there a barrier costs in proportion to them. */
const lanesOf = { workgroup: 256, serial: 4 } as const;

/** The last pass keeps a counter per chunk in workgroup memory, and has 256. */
const maxVocab = 256 * chunkSize;

/** What the caller's other kernels share with the sampler. */
export interface SamplerBindings {
  /** f32 [vocab] */
  readonly logits: BufferSlice;
  /** u32 [1 or more]: the chosen token goes to the first. */
  readonly tokens: BufferSlice;
  /** struct Step, 16 bytes; position must be that of the token whose logits these are. */
  readonly step: BufferSlice;
}

/** Buffers of one session. The caller writes `params`, and where used `bias` and `history`, before a request, and
 *  reads `results`; the others pass values between the kernels. */
export interface SamplerBuffers {
  /** `packSamplingParams` */
  readonly params: BufferSlice;
  /** f32 [vocab], `packLogitBias`; read only when the request has a bias. */
  readonly bias: Tensor;
  /** u32 [vocab], `packHistory`; read only when the request has penalties, counted up always. */
  readonly history: Tensor;
  /** u32 [ringSlots, 64], `parseResultRecord` */
  readonly results: Tensor;
  /** f32 [vocab]: logits after bias, penalties and temperature. */
  readonly adjusted: Tensor;
  readonly chunks: BufferSlice;
  readonly histogram: BufferSlice;
}

export interface Sampler {
  createBuffers(arena: Arena): SamplerBuffers;
  /** For requests of temperature 0: two dispatches. */
  greedyList(arena: Arena, bindings: SamplerBindings, buffers: SamplerBuffers): Dispatch[];
  /** For requests of a temperature above 0: three dispatches. */
  sampledList(arena: Arena, bindings: SamplerBindings, buffers: SamplerBuffers): Dispatch[];
}

export const scan = defineKernel({
  name: 'sample-scan',
  sources: [paramsStruct, chunksSource, scanSource],
  bindings: {
    params: 'uniform',
    logits: 'read',
    bias: 'read',
    history: 'read',
    adjusted: 'write',
    chunks: 'write',
  },
  uniforms: { vocab: 'u32' },
  constants: ['lanes'],
});

export const histogram = defineKernel({
  name: 'sample-histogram',
  sources: [paramsStruct, chunksSource, mass, bins, quads, histogramSource],
  bindings: { params: 'uniform', adjusted: 'read', chunks: 'read', histogram: 'write' },
  uniforms: { vocab: 'u32', chunkCount: 'u32' },
  constants: ['lanes'],
});

export const greedy = defineKernel({
  name: 'sample-greedy',
  sources: [stepStruct, paramsStruct, chunksSource, finish, greedySource],
  bindings: {
    params: 'uniform',
    logits: 'read',
    chunks: 'read',
    tokens: 'write',
    history: 'write',
    step: 'write',
    results: 'write',
  },
  uniforms: { vocab: 'u32', chunkCount: 'u32', ringSlots: 'u32' },
  constants: ['lanes'],
});

export const draw = defineKernel({
  name: 'sample-draw',
  sources: [stepStruct, paramsStruct, chunksSource, mass, bins, quads, pick, cut, random, finish, drawSource],
  bindings: {
    params: 'uniform',
    logits: 'read',
    adjusted: 'read',
    chunks: 'read',
    histogram: 'read',
    tokens: 'write',
    history: 'write',
    step: 'write',
    results: 'write',
  },
  uniforms: { vocab: 'u32', chunkCount: 'u32', ringSlots: 'u32' },
  constants: ['lanes'],
});

export async function prepareSampler(
  gpu: Gpu,
  options: { readonly vocab: number; readonly ringSlots: number; readonly variant?: 'workgroup' | 'serial' },
): Promise<Sampler> {
  const { vocab, ringSlots } = options;
  invariant(vocab >= 1 && vocab <= maxVocab, `the sampler takes 1 to ${maxVocab} tokens, got ${vocab}`);
  invariant(ringSlots >= 1, `the sampler's ring needs a slot, got ${ringSlots}`);
  const variant = options.variant ?? gpu.chooseVariant(['workgroup', 'serial']);
  const lanes = { lanes: lanesOf[variant] };
  const [scanKernel, histogramKernel, greedyKernel, drawKernel] = await Promise.all([
    prepareKernel(gpu, scan, lanes),
    prepareKernel(gpu, histogram, lanes),
    prepareKernel(gpu, greedy, lanes),
    prepareKernel(gpu, draw, lanes),
  ]);
  const chunkCount = Math.ceil(vocab / chunkSize);
  const sizes = { vocab, chunkCount, ringSlots };

  const scanDispatch = (arena: Arena, { logits }: SamplerBindings, buffers: SamplerBuffers): Dispatch => {
    const { params, bias, history, adjusted, chunks } = buffers;
    return scanKernel.dispatch(arena, {
      label: 'sample.scan',
      bindings: { params, logits, bias, history, adjusted, chunks },
      uniforms: { vocab },
      workgroups: [chunkCount],
      bytes: vocab * 8,
    });
  };

  return {
    createBuffers(arena) {
      const paramsUsage = bufferUsage.uniform | bufferUsage.copyDst;
      return {
        params: { buffer: arena.buffer('sample.params', samplingParamsBytes, paramsUsage) },
        bias: arena.tensor('sample.bias', 'f32', [vocab]),
        history: arena.tensor('sample.history', 'u32', [vocab]),
        results: arena.tensor('sample.results', 'u32', [ringSlots, recordBytes / 4]),
        adjusted: arena.tensor('sample.adjusted', 'f32', [vocab]),
        chunks: { buffer: arena.buffer('sample.chunks', chunkCount * chunkBytes) },
        histogram: { buffer: arena.buffer('sample.histogram', chunkCount * histogramBytesPerChunk) },
      };
    },

    greedyList(arena, bindings, buffers) {
      const { params, history, results, chunks } = buffers;
      return [
        scanDispatch(arena, bindings, buffers),
        greedyKernel.dispatch(arena, {
          label: 'sample.greedy',
          bindings: { params, ...bindings, chunks, history, results },
          uniforms: sizes,
          workgroups: [1],
          bytes: chunkCount * chunkBytes,
        }),
      ];
    },

    sampledList(arena, bindings, buffers) {
      const { params, history, results, adjusted, chunks } = buffers;
      return [
        scanDispatch(arena, bindings, buffers),
        histogramKernel.dispatch(arena, {
          label: 'sample.histogram',
          bindings: { params, adjusted, chunks, histogram: buffers.histogram },
          uniforms: { vocab, chunkCount },
          workgroups: [chunkCount],
          bytes: vocab * 4 + chunkCount * histogramBytesPerChunk,
        }),
        drawKernel.dispatch(arena, {
          label: 'sample.draw',
          bindings: { params, ...bindings, adjusted, chunks, histogram: buffers.histogram, history, results },
          uniforms: sizes,
          workgroups: [1],
          bytes: chunkCount * histogramBytesPerChunk,
        }),
      ];
    },
  };
}
