/** Every measurement of `npm run bench`, on whatever device it is given. Returns plain data; prints lines as it goes. */
import type { AttentionOptions } from '../src/engine/api.ts';
import type { ModelSource } from '../src/engine/source/model-source.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import type { MatrixFormat } from '../src/kernels/runtime/matrix.ts';
import { type AttendCase, benchAttend } from './attend.bench.ts';
import { type Ceiling, measureCeiling } from './ceiling.ts';
import { crossoverTable } from './crossover.ts';
import { benchDecode, type DecodeTiming } from './decode.bench.ts';
import { benchEngine, type EngineTiming } from './engine.bench.ts';
import { benchHashQuery, type HashQueryCase } from './hash-query.bench.ts';
import { benchHashStep, type HashStepCase } from './hash-step.bench.ts';
import { benchMatVec, type MatVecCase } from './mat-vec.bench.ts';
import { benchSelectTokens, type SelectTokensCase } from './select-tokens.bench.ts';
import { createSyntheticNetwork, llama8b } from './synthetic-model.ts';

export interface BenchOptions {
  readonly gpu: Gpu;
  /** Opens the default model's files anew. */
  readonly openDefaultModel: () => Promise<ModelSource>;
  readonly log: (line: string) => void;
  /** Parts to run: ceiling is always measured. All unless told. */
  readonly parts?: readonly BenchPart[];
}

export type BenchPart = 'kernels' | 'hash' | 'decode8b' | 'engine';

export interface KernelTiming {
  readonly name: string;
  readonly microseconds: number;
  readonly bytes: number;
  /** bytes / time over the streaming bandwidth measured in the same run. */
  readonly ofBandwidth: number;
}

/** A step of sparse attention beside dense attention, in milliseconds per layer, and what bytes and dispatches allow:
 *  bytes / B + 5 · L, and bytes / B + 2 · L. */
export interface HashStepComparison {
  readonly name: string;
  readonly sparseMs: number;
  readonly sparseBoundMs: number;
  readonly dispatchMs: Readonly<Record<string, number>>;
  readonly denseMs: number;
  readonly denseBoundMs: number;
}

export interface BenchReport {
  readonly device: string;
  readonly variant: string;
  readonly ceiling: Ceiling;
  readonly kernels: readonly KernelTiming[];
  readonly hashSteps: readonly HashStepComparison[];
  readonly decode8b: readonly DecodeTiming[];
  readonly engine: EngineTiming | null;
}

const q4: MatrixFormat = { kind: 'q4', groupSize: 32, scales: 'f16' };
const q8: MatrixFormat = { kind: 'q8', groupSize: 32, scales: 'f16' };
const plain = { format: q4, norm: false } as const;

/** The products of the 8B shape, then those of the default model. */
const matVecCases: readonly MatVecCase[] = [
  { ...plain, rows: 4096, columns: 14336, finish: 'add', matrices: 32 },
  { ...plain, rows: 28672, columns: 4096, finish: 'gated', norm: true, matrices: 16 },
  { ...plain, rows: 6144, columns: 4096, finish: 'store', norm: true, matrices: 64 },
  { ...plain, rows: 4096, columns: 4096, finish: 'add', matrices: 64 },
  { rows: 128256, columns: 4096, format: q8, finish: 'store', norm: true, matrices: 3 },
  { ...plain, rows: 960, columns: 576, finish: 'store', norm: true, matrices: 120 },
  { ...plain, rows: 3072, columns: 576, finish: 'gated', norm: true, matrices: 120 },
  { ...plain, rows: 576, columns: 1536, finish: 'add', matrices: 120 },
  { rows: 49152, columns: 576, format: q8, finish: 'store', norm: true, matrices: 8 },
];

const attendCases: readonly AttendCase[] = [
  { context: 131072, kvHeads: 8, group: 4, headDim: 128, layers: 8 },
  { context: 32768, kvHeads: 8, group: 4, headDim: 128, layers: 16 },
  { context: 8192, kvHeads: 8, group: 4, headDim: 128, layers: 32 },
  { context: 1024, kvHeads: 8, group: 4, headDim: 128, layers: 64 },
  { context: 8192, kvHeads: 3, group: 3, headDim: 64, layers: 60 },
  { context: 1024, kvHeads: 3, group: 3, headDim: 64, layers: 60 },
];

const selectTokensCases: readonly SelectTokensCase[] = [
  { context: 1048576, kvHeads: 8, layers: 8 },
  { context: 131072, kvHeads: 8, layers: 32 },
  { context: 32768, kvHeads: 8, layers: 32 },
  { context: 8192, kvHeads: 8, layers: 32 },
  { context: 4096, kvHeads: 3, layers: 30 },
];

/** The published maps at the 8B shape, then the default model's. Layers enough that no cache holds their maps. */
const hashQueryCases: readonly HashQueryCase[] = [
  { kvHeads: 8, group: 4, widths: [128, 128, 128, 32], layers: 32, context: 32768 },
  { kvHeads: 3, group: 3, widths: [64, 64, 32], layers: 30, context: 2048 },
];

export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const { gpu, log } = options;
  const parts = options.parts ?? ['kernels', 'hash', 'decode8b', 'engine'];
  const isCpu = gpu.traits.isCpu;
  const device = gpu.traits.description || `${gpu.traits.vendor} ${gpu.traits.architecture}`;
  const variant = gpu.chooseVariant(['workgroup', 'subgroup', 'serial']);
  const ceiling = await measureCeiling(gpu);
  log(
    `${device}, ${variant} kernels: B ${gigabytes(ceiling.bytesPerSecond)} GB/s, L ${(ceiling.dispatchMs * 1000).toFixed(2)} µs`,
  );
  const kernels: KernelTiming[] = [];
  const record = (name: string, ms: number, bytes: number): void => {
    const ofBandwidth = (bytes / ms) * (1000 / ceiling.bytesPerSecond);
    kernels.push({ name, microseconds: ms * 1000, bytes, ofBandwidth });
    log(
      `${name.padEnd(56)} ${(ms * 1000).toFixed(1).padStart(9)} µs ${gigabytes((bytes / ms) * 1000).padStart(6)} GB/s ${percent(ofBandwidth)} of B`,
    );
  };
  if (parts.includes('kernels')) {
    for (const spec of isCpu ? matVecCases.slice(5) : matVecCases) {
      const { ms, bytes } = await benchMatVec(gpu, isCpu ? { ...spec, matrices: 2 } : spec);
      record(`mat-vec ${spec.format.kind} ${spec.rows} × ${spec.columns} ${spec.finish}`, ms, bytes);
    }
    for (const spec of isCpu ? attendCases.slice(5) : attendCases) {
      const { ms, bytes, splits } = await benchAttend(gpu, isCpu ? { ...spec, layers: 2 } : spec);
      const heads = `${spec.kvHeads * spec.group}/${spec.kvHeads} × ${spec.headDim}`;
      record(`attend ${heads}, ${spec.context} tokens, ${splits} splits`, ms, bytes);
    }
    for (const spec of isCpu ? selectTokensCases.slice(4) : selectTokensCases) {
      const { ms, countMs, listMs, bytes, chunks } = await benchSelectTokens(gpu, spec);
      const name = `select-tokens ${spec.kvHeads} lists, ${spec.context} tokens, ${chunks} chunks`;
      record(name, ms, bytes);
      record(`${name}, counting alone`, countMs, bytes);
      record(`${name}, listing alone`, listMs, bytes);
    }
    for (const spec of isCpu ? hashQueryCases.slice(2) : hashQueryCases) {
      const { ms, bytes, bulkMs } = await benchHashQuery(gpu, isCpu ? { ...spec, layers: 2 } : spec);
      const heads = `${spec.kvHeads * spec.group}/${spec.kvHeads} heads`;
      record(`hash-query ${heads}, ${spec.widths.join(' → ')}`, ms, bytes);
      log(`hash-keys of ${spec.context} tokens of one layer, likewise: ${bulkMs.toFixed(3)} ms`);
    }
  }
  const hashSteps = parts.includes('hash') ? await hashStepsOf(options, ceiling) : [];
  const decode8b = parts.includes('decode8b') && !isCpu ? await decodeOf8b(options, ceiling) : [];
  const engine = parts.includes('engine') ? await engineOf(options) : null;
  return { device, variant, ceiling, kernels, hashSteps, decode8b, engine };
}

const published = [128, 128, 128, 32];
const hashStepCases: readonly Omit<HashStepCase, 'layers'>[] = [
  ...[8192, 32768, 131072, 262144].map((context) => ({ ...llamaStep(context), tail: false })),
  { ...llamaStep(32768), tail: true },
  { ...llamaStep(262144), tail: true },
  { ...llamaStep(32768), tail: false, run: 512 },
  { ...llamaStep(262144), tail: false, run: 512 },
  ...[8192, 32768, 131072].map((context) => ({
    ...{ context, kvHeads: 32, group: 1, widths: published, denominator: 32, tail: false },
  })),
];
/** For adapters that run on the CPU. */
const smallHashStepCases: readonly Omit<HashStepCase, 'layers'>[] = [
  { context: 4096, kvHeads: 3, group: 3, widths: [64, 64, 32], denominator: 16, tail: false },
  { context: 4096, kvHeads: 3, group: 3, widths: [64, 64, 32], denominator: 16, tail: true },
];

function llamaStep(context: number) {
  return { context, kvHeads: 8, group: 4, widths: published, denominator: 32 };
}

/** Sparse steps beside dense attention over the same number of layers, enough that no cache holds them. */
async function hashStepsOf({ gpu, log }: BenchOptions, ceiling: Ceiling): Promise<HashStepComparison[]> {
  const comparisons: HashStepComparison[] = [];
  const bound = (bytes: number, dispatches: number): number =>
    (bytes / ceiling.bytesPerSecond) * 1000 + dispatches * ceiling.dispatchMs;
  for (const spec of gpu.traits.isCpu ? smallHashStepCases : hashStepCases) {
    const { context, kvHeads, group, widths, denominator, tail, run } = spec;
    const headDim = widths[0]!;
    const layers = gpu.traits.isCpu
      ? 2
      : Math.min(32, Math.max(2, Math.ceil(2 ** 30 / (4 * kvHeads * context * headDim))));
    const step = await benchHashStep(gpu, { ...spec, layers });
    const dense = await benchAttend(gpu, { context, kvHeads, group, headDim, layers });
    const timing: HashStepComparison = {
      name: `${kvHeads * group}/${kvHeads} × ${headDim}, ${context} tokens, 1/${denominator}${tail ? ', tail' : ''}${run ? `, in runs of ${run}` : ''}`,
      sparseMs: step.ms,
      sparseBoundMs: bound(step.bytes, 5),
      dispatchMs: step.dispatchMs,
      denseMs: dense.ms,
      denseBoundMs: bound(dense.bytes, 2),
    };
    comparisons.push(timing);
    log(describeHashStep(timing));
  }
  for (const line of crossoverTable(4e-6, 16)) log(line);
  return comparisons;
}

function describeHashStep(timing: HashStepComparison): string {
  const { name, sparseMs, sparseBoundMs, denseMs, denseBoundMs, dispatchMs } = timing;
  const micro = (ms: number): string => (ms * 1000).toFixed(1);
  const ratio = denseMs / sparseMs;
  const wanted = denseBoundMs / sparseBoundMs;
  return [
    `hash step ${name}: ${micro(sparseMs)} µs, ${(sparseMs / sparseBoundMs).toFixed(2)} × bound`,
    `(${Object.values(dispatchMs).map(micro).join(' + ')})`,
    `dense ${micro(denseMs)} µs, ${(denseMs / denseBoundMs).toFixed(2)} × bound`,
    `ratio ${ratio.toFixed(2)}, ${(ratio / wanted).toFixed(2)} of ${wanted.toFixed(2)}`,
  ].join('; ');
}

async function decodeOf8b({ gpu, log }: BenchOptions, ceiling: Ceiling): Promise<DecodeTiming[]> {
  const network = await createSyntheticNetwork(gpu, llama8b, 262144 + 1024);
  const timings: DecodeTiming[] = [];
  const record = async (context: number, name: string, attention?: AttentionOptions): Promise<number> => {
    const timing = await benchDecode(gpu, network, context, ceiling, attention);
    timings.push(timing);
    log(
      `decode of the 8B shape at ${context} tokens, ${name}: ${timing.msPerToken.toFixed(2)} ms, ${timing.dispatches} dispatches, ${timing.overBound.toFixed(2)} × (bytes/B + dispatches·L)`,
    );
    return timing.msPerToken;
  };
  const sparse = { mode: 'hash', budget: { fraction: 1 / 32 }, denseBelow: 0 } as const;
  for (const context of [1024, 8192, 32768, 131072, 262144]) {
    const denseMs = await record(context, 'dense');
    if (context < 32768) continue;
    const hashMs = await record(context, 'HashAttention 1/32', sparse);
    const everywhere = { ...sparse, tail: false, denseLayers: [] };
    const everywhereMs = await record(context, 'the same in every layer, without tail', everywhere);
    log(`dense over sparse: ${(denseMs / hashMs).toFixed(2)}, ${(denseMs / everywhereMs).toFixed(2)}`);
  }
  network.dispose();
  return timings;
}

async function engineOf({ gpu, log, openDefaultModel }: BenchOptions): Promise<EngineTiming> {
  const sizes = gpu.traits.isCpu
    ? { prefill: [64], decode: [64], tokens: 4 }
    : { prefill: [128, 512, 1024, 2048, 4096, 8000], decode: [128, 1024, 4096, 7500], tokens: 256 };
  const timing = await benchEngine(gpu, await openDefaultModel(), sizes);
  const { load } = timing;
  log(
    `default model: headers ${load.headersMs.toFixed(0)} ms, weights ${load.weightsMs.toFixed(0)} ms (${(load.weightsBytesPerSecond / 1e6).toFixed(0)} MB/s), kernels ${load.compileMs.toFixed(0)} ms, ${timing.dispatchesPerToken} dispatches a token`,
  );
  for (const { tokens, tokensPerSecond } of timing.prefill) {
    log(`prefill of ${tokens} tokens: ${tokensPerSecond.toFixed(0)} tokens/s`);
  }
  for (const { context, tokensPerSecond } of timing.decode) {
    log(`decode at ${context} tokens: ${tokensPerSecond.toFixed(1)} tokens/s`);
  }
  return timing;
}

function gigabytes(bytesPerSecond: number): string {
  return (bytesPerSecond / 1e9).toFixed(0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0).padStart(3)} %`;
}
