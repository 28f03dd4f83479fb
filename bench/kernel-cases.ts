/** Kernels by themselves, at the 8B shape and the default model's. */
import type { MatrixFormat } from '../src/kernels/runtime/matrix.ts';
import { type AttendCase, benchAttend } from './attend.bench.ts';
import { benchHashQuery, type HashQueryCase } from './hash-query.bench.ts';
import { benchMatVec, type MatVecCase } from './mat-vec.bench.ts';
import { type Case, gigabytes, type Run } from './run.ts';
import { benchSample, type SampleCase } from './sample.bench.ts';
import { benchSelectTokens, type SelectTokensCase } from './select-tokens.bench.ts';
import type { Timing } from './timing.ts';

const q4: MatrixFormat = { kind: 'q4', groupSize: 32, scales: 'f16' };
const q8: MatrixFormat = { kind: 'q8', groupSize: 32, scales: 'f16' };
const plain = { format: q4, norm: false } as const;

/** The products of the 8B shape, then those of the default model. */
const matVecCases: readonly MatVecCase[] = [
  { ...plain, rows: 4096, columns: 14336, finish: 'add', matrices: 32 },
  { ...plain, rows: 4096, columns: 14336, finish: 'add', matrices: 32, packs: 'scaled' },
  { ...plain, rows: 28672, columns: 4096, finish: 'gated', norm: true, matrices: 16, packs: 'plain' },
  { ...plain, rows: 6144, columns: 4096, finish: 'store', norm: true, matrices: 64 },
  { ...plain, rows: 4096, columns: 4096, finish: 'add', matrices: 64, packs: 'scaled' },
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

/** Sampling from all tokens, and by the cuts that chats use, at the 8B shape; then the default model's. */
const sampleCases: readonly SampleCase[] = [
  { name: 'greedy', vocab: 128256, choices: { temperature: 0 } },
  { name: 'plain', vocab: 128256, choices: {} },
  { name: 'top-p 0.95', vocab: 128256, choices: { topP: 0.95 } },
  { name: 'top-k 50, top-p 0.9', vocab: 128256, choices: { topK: 50, topP: 0.9 } },
  { name: 'top-p 0.95', vocab: 49152, choices: { topP: 0.95 } },
];

export function kernelCases(run: Run): Case[] {
  const { gpu, log, isCpu, ceiling, report } = run;
  const record = (name: string, timing: Timing, bytes: number): void => {
    const bytesPerSecond = (bytes / timing.gpuMs) * 1000;
    const ofBandwidth = bytesPerSecond / ceiling.bytesPerSecond;
    report.kernels.push({ name, timing, bytes, ofBandwidth });
    log(
      `${name.padEnd(56)} ${micro(timing.gpuMs)} µs ${gigabytes(bytesPerSecond).padStart(6)} GB/s ${percent(ofBandwidth)} of B, ${micro(timing.submittedMs)} µs with recording`,
    );
  };
  return [
    ...(isCpu ? matVecCases.slice(6) : matVecCases).map((spec): Case => {
      const packs = spec.packs ? ', outputs packed' : '';
      const name = `mat-vec ${spec.format.kind} ${spec.rows} × ${spec.columns} ${spec.finish}${packs}`;
      return {
        name,
        measure: async () => {
          const { timing, bytes } = await benchMatVec(gpu, isCpu ? { ...spec, matrices: 2 } : spec);
          record(name, timing, bytes);
        },
      };
    }),
    ...(isCpu ? attendCases.slice(5) : attendCases).map((spec): Case => {
      const heads = `${spec.kvHeads * spec.group}/${spec.kvHeads} × ${spec.headDim}`;
      const name = `attend ${heads}, ${spec.context} tokens`;
      return {
        name,
        measure: async () => {
          const { timing, bytes, splits } = await benchAttend(gpu, isCpu ? { ...spec, layers: 2 } : spec);
          record(`${name}, ${splits} splits`, timing, bytes);
        },
      };
    }),
    ...(isCpu ? selectTokensCases.slice(4) : selectTokensCases).map((spec): Case => {
      const name = `select-tokens ${spec.kvHeads} lists, ${spec.context} tokens`;
      return {
        name,
        measure: async () => {
          const { timing, counting, listing, bytes, chunks } = await benchSelectTokens(gpu, spec);
          record(`${name}, ${chunks} chunks`, timing, bytes);
          record(`${name}, counting alone`, counting, bytes);
          record(`${name}, listing alone`, listing, bytes);
        },
      };
    }),
    ...(isCpu ? hashQueryCases.slice(2) : hashQueryCases).map((spec): Case => {
      const heads = `${spec.kvHeads * spec.group}/${spec.kvHeads} heads`;
      const name = `hash-query ${heads}, ${spec.widths.join(' → ')}`;
      return {
        name,
        measure: async () => {
          const { timing, bytes, bulk } = await benchHashQuery(gpu, spec);
          record(name, timing, bytes);
          log(`hash-keys of ${spec.context} tokens of one layer, likewise: ${bulk.gpuMs.toFixed(3)} ms`);
        },
      };
    }),
    ...(isCpu ? sampleCases.slice(4) : sampleCases).map((spec): Case => {
      const name = `sample ${spec.vocab} tokens, ${spec.name}`;
      return {
        name,
        measure: async () => {
          const { timing, bytes } = await benchSample(gpu, spec);
          record(name, timing, bytes);
        },
      };
    }),
  ];
}

function micro(ms: number): string {
  return (ms * 1000).toFixed(1).padStart(9);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0).padStart(3)} %`;
}
