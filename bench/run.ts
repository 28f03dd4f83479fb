/** A run of the bench under way: what it is given, what it reports, and how its parts keep to their time. */
import type { ModelSource } from '../src/engine/source/model-source.ts';
import type { Gpu } from '../src/kernels/runtime/gpu.ts';
import type { Ceiling } from './ceiling.ts';
import type { DecodeTiming } from './decode.bench.ts';
import type { EngineTiming } from './engine.bench.ts';
import type { gpuClock, Timing } from './timing.ts';

export interface BenchOptions extends BenchWishes {
  readonly gpu: Gpu;
  /** Opens the default model's files anew. */
  readonly openDefaultModel: () => Promise<ModelSource>;
  readonly log: (line: string) => void;
  /** Called with the report so far after every measurement, so that a run that is cut leaves what it had. */
  readonly keep?: (report: BenchReport) => void;
}

/** What a person asks of a run; plain data. */
export interface BenchWishes {
  /** Parts to run: B and L are measured before each. All unless told. */
  readonly parts?: readonly BenchPart[];
  /** A regular expression: of the cases within parts, those whose names match. All unless told. */
  readonly cases?: string;
  /** After which a part begins no other case, 75 unless told; those left out are named. */
  readonly partSeconds?: number;
}

export type BenchPart = 'kernels' | 'hash' | 'decode8b' | 'engine' | 'decode4k';

export interface KernelTiming {
  readonly name: string;
  readonly timing: Timing;
  readonly bytes: number;
  /** bytes / time on the GPU over the streaming bandwidth measured in the same run. */
  readonly ofBandwidth: number;
}

/** A step of sparse attention beside dense attention, per layer, and what bytes and dispatches allow: bytes / B + 5 · L,
 *  and bytes / B + 2 · L. */
export interface HashStepComparison {
  readonly name: string;
  readonly sparse: Timing;
  readonly sparseBound: Timing;
  /** Each dispatch of the sparse step alone, on the GPU. */
  readonly dispatchMs: Readonly<Record<string, number>>;
  readonly dense: Timing;
  readonly denseBound: Timing;
}

export interface BenchReport {
  readonly device: string;
  readonly variant: string;
  readonly gpuClock: ReturnType<typeof gpuClock>;
  /** Measured before each part, since clocks and other work on the device change between them. */
  readonly ceilings: Readonly<Partial<Record<BenchPart, Ceiling>>>;
  readonly kernels: readonly KernelTiming[];
  readonly hashSteps: readonly HashStepComparison[];
  readonly decode8b: readonly DecodeTiming[];
  readonly engine: EngineTiming | null;
  /** The default model. */
  readonly decode4k: readonly DecodeTiming[];
}

export type Growing<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/** A run under way. */
export interface Run extends BenchOptions {
  readonly isCpu: boolean;
  /** Of the part under way. */
  readonly ceiling: Ceiling;
  readonly report: Growing<BenchReport>;
}

export interface Case {
  readonly name: string;
  /** Measures, and adds to the report. */
  readonly measure: () => Promise<void>;
}

/** One after another, until the part's time is over. */
export async function inTime(
  { log, keep, report, cases: wanted = '', partSeconds = 75 }: Run,
  cases: readonly Case[],
): Promise<void> {
  const started = performance.now();
  const isWanted = new RegExp(wanted);
  for (const { name, measure } of cases.filter(({ name }) => isWanted.test(name))) {
    if (performance.now() - started > 1000 * partSeconds) {
      log(`${name}: left out, the part's ${partSeconds} s are over`);
      continue;
    }
    await measure();
    keep?.(report);
  }
}

export function gigabytes(bytesPerSecond: number): string {
  return (bytesPerSecond / 1e9).toFixed(0);
}
