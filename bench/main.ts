/** Every measurement of `npm run bench`, on whatever device it is given. Returns plain data; prints lines as it goes. */
import type { AttentionOptions } from '../src/engine/api.ts';
import type { ModelSource } from '../src/engine/source/model-source.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import type { MatrixFormat } from '../src/kernels/runtime/matrix.ts';
import { type AttendCase, benchAttend } from './attend.bench.ts';
import { type Ceiling, largeHalves, measureCeiling } from './ceiling.ts';
import { crossoverTable } from './crossover.ts';
import { benchDecode, type DecodeTiming } from './decode.bench.ts';
import { benchEngine, type EngineTiming, openDefaultNetwork } from './engine.bench.ts';
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
  /** Called with the report so far after every measurement, so that a run that is cut leaves what it had. */
  readonly keep?: (report: BenchReport) => void;
  /** Parts to run: B and L are measured before each. All unless told. */
  readonly parts?: readonly BenchPart[];
}

export type BenchPart = 'kernels' | 'hash' | 'decode8b' | 'engine' | 'decode4k';

const allParts: readonly BenchPart[] = ['kernels', 'hash', 'decode8b', 'engine', 'decode4k'];

/** Seconds after which a part begins no other case; those left out are named. */
const partSeconds = 75;

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
  /** Measured before each part, since clocks and other work on the device change between them. */
  readonly ceilings: Readonly<Partial<Record<BenchPart, Ceiling>>>;
  readonly kernels: readonly KernelTiming[];
  readonly hashSteps: readonly HashStepComparison[];
  readonly decode8b: readonly DecodeTiming[];
  readonly engine: EngineTiming | null;
  /** The default model. */
  readonly decode4k: readonly DecodeTiming[];
}

type Growing<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/** A run under way. */
interface Run extends BenchOptions {
  readonly isCpu: boolean;
  /** Of the part under way. */
  readonly ceiling: Ceiling;
  readonly report: Growing<BenchReport>;
}

const q4: MatrixFormat = { kind: 'q4', groupSize: 32, scales: 'f16' };
const q8: MatrixFormat = { kind: 'q8', groupSize: 32, scales: 'f16' };
const plain = { format: q4, norm: false } as const;

/** The products of the 8B shape, then those of the default model. */
const matVecCases: readonly MatVecCase[] = [
  { ...plain, rows: 4096, columns: 14336, finish: 'add', matrices: 32, hasPackedInputs: true },
  {
    ...{ ...plain, rows: 28672, columns: 4096, finish: 'gated', norm: true, matrices: 16 },
    ...{ hasPackedInputs: true, packsOutputs: 'plain' },
  },
  { ...plain, rows: 6144, columns: 4096, finish: 'store', norm: true, matrices: 64 },
  { ...plain, rows: 4096, columns: 4096, finish: 'add', matrices: 64, packsOutputs: 'scaled' },
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
  const { isCpu, description, vendor, architecture } = gpu.traits;
  const device = description || `${vendor} ${architecture}`;
  const variant = gpu.chooseVariant(['workgroup', 'subgroup', 'serial']);
  log(`${device}, ${variant} kernels`);
  const measured = { ceilings: {}, kernels: [], hashSteps: [], decode8b: [], engine: null, decode4k: [] };
  const report: Growing<BenchReport> = { device, variant, ...measured };
  for (const part of options.parts ?? allParts) {
    const started = performance.now();
    const ceiling = await measureCeiling(gpu);
    report.ceilings = { ...report.ceilings, [part]: ceiling };
    const { bytesPerSecond, dispatchMs } = ceiling;
    log(`${part}: B ${gigabytes(bytesPerSecond)} GB/s, L ${(dispatchMs * 1000).toFixed(2)} µs`);
    await runPart({ ...options, isCpu, ceiling, report }, part);
    log(`${part}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
  return report;
}

async function runPart(run: Run, part: BenchPart): Promise<void> {
  switch (part) {
    case 'kernels':
      return inTime(run, kernelCases(run));
    case 'hash': {
      await inTime(run, hashStepsCases(run));
      for (const line of crossoverTable(4e-6, 16)) run.log(line);
      return;
    }
    case 'decode8b':
      return run.isCpu ? undefined : decodeOf8b(run);
    case 'engine':
      return engineOf(run);
    case 'decode4k':
      return decodeOfDefault(run);
    default:
      throw new Error(`the bench has no part ${part satisfies never}`);
  }
}

interface Case {
  readonly name: string;
  /** Measures, and adds to the report. */
  readonly measure: () => Promise<void>;
}

/** One after another, until the part's time is over. */
async function inTime({ log, keep, report }: Run, cases: readonly Case[]): Promise<void> {
  const started = performance.now();
  for (const { name, measure } of cases) {
    if (performance.now() - started > 1000 * partSeconds) {
      log(`${name}: left out, the part's ${partSeconds} s are over`);
      continue;
    }
    await measure();
    keep?.(report);
  }
}

function kernelCases(run: Run): Case[] {
  const { gpu, log, isCpu, ceiling, report } = run;
  const record = (name: string, ms: number, bytes: number): void => {
    const ofBandwidth = (bytes / ms) * (1000 / ceiling.bytesPerSecond);
    report.kernels.push({ name, microseconds: ms * 1000, bytes, ofBandwidth });
    log(
      `${name.padEnd(56)} ${(ms * 1000).toFixed(1).padStart(9)} µs ${gigabytes((bytes / ms) * 1000).padStart(6)} GB/s ${percent(ofBandwidth)} of B`,
    );
  };
  return [
    ...(isCpu ? matVecCases.slice(5) : matVecCases).map((spec): Case => {
      const name = `mat-vec ${spec.format.kind} ${spec.rows} × ${spec.columns} ${spec.finish}`;
      return {
        name,
        measure: async () => {
          const { ms, bytes } = await benchMatVec(gpu, isCpu ? { ...spec, matrices: 2 } : spec);
          record(name, ms, bytes);
        },
      };
    }),
    ...(isCpu ? attendCases.slice(5) : attendCases).map((spec): Case => {
      const heads = `${spec.kvHeads * spec.group}/${spec.kvHeads} × ${spec.headDim}`;
      const name = `attend ${heads}, ${spec.context} tokens`;
      return {
        name,
        measure: async () => {
          const { ms, bytes, splits } = await benchAttend(gpu, isCpu ? { ...spec, layers: 2 } : spec);
          record(`${name}, ${splits} splits`, ms, bytes);
        },
      };
    }),
    ...(isCpu ? selectTokensCases.slice(4) : selectTokensCases).map((spec): Case => {
      const name = `select-tokens ${spec.kvHeads} lists, ${spec.context} tokens`;
      return {
        name,
        measure: async () => {
          const { ms, countMs, listMs, bytes, chunks } = await benchSelectTokens(gpu, spec);
          record(`${name}, ${chunks} chunks`, ms, bytes);
          record(`${name}, counting alone`, countMs, bytes);
          record(`${name}, listing alone`, listMs, bytes);
        },
      };
    }),
    ...(isCpu ? hashQueryCases.slice(2) : hashQueryCases).map((spec): Case => {
      const heads = `${spec.kvHeads * spec.group}/${spec.kvHeads} heads`;
      const name = `hash-query ${heads}, ${spec.widths.join(' → ')}`;
      return {
        name,
        measure: async () => {
          const { ms, bytes, bulkMs } = await benchHashQuery(gpu, spec);
          record(name, ms, bytes);
          log(`hash-keys of ${spec.context} tokens of one layer, likewise: ${bulkMs.toFixed(3)} ms`);
        },
      };
    }),
  ];
}

const published = [128, 128, 128, 32];
/** What the paper's own kernels gain at most at this shape and share, arXiv:2412.14468. */
const ofPaper = 'the paper: up to 4.3 over GPT-FAST, 2.54 over FlashDecode';

interface HashStepSpec extends Omit<HashStepCase, 'layers'> {
  /** What others report for the same. */
  readonly beside?: string;
}

const hashStepCases: readonly HashStepSpec[] = [
  ...[32768, 131072, 262144, 8192].map((context) => ({ ...llamaStep(context), tail: false })),
  ...[8192, 32768, 131072].map((context) => ({
    ...{ context, kvHeads: 32, group: 1, widths: published, denominator: 32, tail: false },
    beside: ofPaper,
  })),
  { ...llamaStep(32768), tail: true },
  { ...llamaStep(262144), tail: true },
  ...[32768, 262144].map((context) => ({ ...llamaStep(context), tail: false, run: 512 })),
  // all of a list in one chunk
  ...[32768, 262144].map((context) => ({ ...llamaStep(context), tail: false, run: context / 32 })),
];
/** For adapters that run on the CPU. */
const smallHashStepCases: readonly HashStepSpec[] = [
  { context: 4096, kvHeads: 3, group: 3, widths: [64, 64, 32], denominator: 16, tail: false },
  { context: 4096, kvHeads: 3, group: 3, widths: [64, 64, 32], denominator: 16, tail: true },
];

function llamaStep(context: number) {
  return { context, kvHeads: 8, group: 4, widths: published, denominator: 32 };
}

/** Bytes of keys and values that the layers of a step hold together: 1/32 of it, what a step reads, is more than twice
 *  the largest second-level cache of today's graphics cards (50 MB). */
const stepBytes = 2 ** 32;

/** Sparse steps beside dense attention over the same number of layers, enough that no cache holds what a step reads. */
function hashStepsCases({ gpu, log, isCpu, ceiling, report }: Run): Case[] {
  const { bytesPerSecond, dispatchMs: latencyMs } = ceiling;
  const bound = (bytes: number, dispatches: number): number =>
    (bytes / bytesPerSecond) * 1000 + dispatches * latencyMs;
  return (isCpu ? smallHashStepCases : hashStepCases).map((spec): Case => {
    const { context, kvHeads, group, widths, denominator, tail, run, beside } = spec;
    const headDim = widths[0]!;
    const layers = isCpu ? 2 : Math.ceil(stepBytes / (4 * kvHeads * context * headDim));
    const name = `${kvHeads * group}/${kvHeads} × ${headDim}, ${context} tokens, 1/${denominator}${tail ? ', tail' : ''}${run ? `, in runs of ${run}` : ''}`;
    return {
      name: `hash step ${name}`,
      measure: async () => {
        const step = await benchHashStep(gpu, { ...spec, layers });
        const dense = await benchAttend(gpu, { context, kvHeads, group, headDim, layers });
        const timing: HashStepComparison = {
          name,
          sparseMs: step.ms,
          sparseBoundMs: bound(step.bytes, 5),
          dispatchMs: step.dispatchMs,
          denseMs: dense.ms,
          denseBoundMs: bound(dense.bytes, 2),
        };
        report.hashSteps.push(timing);
        log(`${describeHashStep(timing)}${beside ? ` (${beside})` : ''}`);
      },
    };
  });
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

async function decodeOf8b(run: Run): Promise<void> {
  const { gpu, log, ceiling, report } = run;
  const network = await createSyntheticNetwork(gpu, llama8b, 262144 + 1024);
  const sparse = { mode: 'hash', budget: { fraction: 1 / 32 }, denseBelow: 0 } as const;
  const everywhere = { ...sparse, tail: false, denseLayers: [] };
  const timed = (context: number, name: string, attention?: AttentionOptions) =>
    recordDecode(run, report.decode8b, `the 8B shape, ${name}`, () =>
      benchDecode(gpu, network, context, ceiling, { ...(attention ? { attention } : {}) }),
    );
  const cases = [131072, 32768, 262144, 1024, 8192].map(
    (context): Case => ({
      name: `decode of the 8B shape at ${context} tokens`,
      measure: async () => {
        const denseMs = await timed(context, 'dense');
        if (context < 32768) return;
        const hashMs = await timed(context, 'HashAttention 1/32', sparse);
        const everywhereMs = await timed(context, 'the same in every layer, without tail', everywhere);
        log(`dense over sparse: ${(denseMs / hashMs).toFixed(2)}, ${(denseMs / everywhereMs).toFixed(2)}`);
      },
    }),
  );
  await inTime(run, cases);
  network.dispose();
}

/** The default model after 4096 tokens that nobody said: sparse, as it is by default, and dense. */
async function decodeOfDefault(run: Run): Promise<void> {
  const { gpu, log, ceiling, report, openDefaultModel } = run;
  const { network } = await openDefaultNetwork(gpu, await openDefaultModel());
  const timed = (name: string, attention: AttentionOptions) =>
    recordDecode(run, report.decode4k, `the default model, ${name}`, () =>
      benchDecode(gpu, network, 4096, ceiling, { attention, halves: largeHalves }),
    );
  const denseMs = await timed('dense', { mode: 'dense' });
  const hashMs = await timed('HashAttention 1/16', { mode: 'hash', denseBelow: 0 });
  const everywhere = { mode: 'hash', denseBelow: 0, denseLayers: [], tail: false } as const;
  const everywhereMs = await timed('the same in every layer, without tail', everywhere);
  log(`dense over sparse: ${(denseMs / hashMs).toFixed(2)}, ${(denseMs / everywhereMs).toFixed(2)}`);
  network.dispose();
}

async function recordDecode(
  { log, keep, report }: Run,
  timings: DecodeTiming[],
  name: string,
  measure: () => Promise<DecodeTiming>,
): Promise<number> {
  const timing = await measure();
  timings.push(timing);
  keep?.(report);
  const { context, msPerToken, msPerTokenBySteps, dispatches, overBound } = timing;
  log(
    `decode at ${context} tokens of ${name}: ${msPerToken.toFixed(2)} ms (${msPerTokenBySteps.toFixed(2)} submitted step by step), ${dispatches} dispatches, ${overBound.toFixed(2)} × (bytes/B + dispatches·L)`,
  );
  return msPerToken;
}

async function engineOf({ gpu, log, keep, isCpu, report, openDefaultModel }: Run): Promise<void> {
  const sizes = isCpu
    ? { prefill: [64], decode: [64], tokens: 4 }
    : { prefill: [128, 512, 1024, 2048, 4096, 8000], decode: [128, 1024, 4096, 7500], tokens: 256 };
  const timing = await benchEngine(gpu, await openDefaultModel(), sizes);
  report.engine = timing;
  keep?.(report);
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
}

function gigabytes(bytesPerSecond: number): string {
  return (bytesPerSecond / 1e9).toFixed(0);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0).padStart(3)} %`;
}
