/** Every measurement of `npm run bench`, on whatever device it is given. Returns plain data; prints lines as it goes. */
import { measureCeiling } from './ceiling.ts';
import { crossoverTable } from './crossover.ts';
import { decodeOf8b, decodeOfDefault } from './decode-cases.ts';
import { benchEngine } from './engine.bench.ts';
import { hashStepsCases } from './hash-step-cases.ts';
import { kernelCases } from './kernel-cases.ts';
import {
  type BenchOptions,
  type BenchPart,
  type BenchReport,
  type Growing,
  gigabytes,
  inTime,
  type Run,
} from './run.ts';
import { gpuClock } from './timing.ts';

const allParts: readonly BenchPart[] = ['kernels', 'hash', 'decode8b', 'engine', 'decode4k'];

export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const { gpu, log } = options;
  const { isCpu, description, vendor, architecture } = gpu.traits;
  const device = description || `${vendor} ${architecture}`;
  const variant = gpu.chooseVariant(['workgroup', 'subgroup', 'serial']);
  const clock = gpuClock(gpu);
  log(`${device}, ${variant} kernels; time on the GPU by ${clock}`);
  const measured = { ceilings: {}, kernels: [], hashSteps: [], decode8b: [], engine: null, decode4k: [] };
  const report: Growing<BenchReport> = { device, variant, gpuClock: clock, ...measured };
  for (const part of options.parts ?? allParts) {
    const started = performance.now();
    const ceiling = await measureCeiling(gpu);
    report.ceilings = { ...report.ceilings, [part]: ceiling };
    const { bytesPerSecond, dispatch } = ceiling;
    const micro = (ms: number): string => (ms * 1000).toFixed(2);
    log(
      `${part}: B ${gigabytes(bytesPerSecond)} GB/s, L ${micro(dispatch.gpuMs)} µs on the GPU, ${micro(dispatch.submittedMs)} µs with recording`,
    );
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
