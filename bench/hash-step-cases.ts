/** Whole HashAttention steps beside dense attention. */
import { type AttendCase, benchAttend } from './attend.bench.ts';
import { boundOf } from './ceiling.ts';
import { benchHashStep, type HashStepCase } from './hash-step.bench.ts';
import type { Case, HashStepComparison, Run } from './run.ts';
import type { Timing } from './timing.ts';

const published = [128, 128, 128, 32];
/** What the paper's own kernels gain at most at this shape and share, arXiv:2412.14468. */
const ofPaper = 'the paper: up to 4.3 over GPT-FAST, 2.54 over FlashDecode';

interface HashStepSpec extends Omit<HashStepCase, 'layers'> {
  /** What others report for the same. */
  readonly beside?: string;
}

const hashStepCases: readonly HashStepSpec[] = [
  ...[32768, 131072, 262144, 8192].map((context) => ({ ...llamaStep(context), tail: 'none' as const })),
  ...[8192, 32768, 131072].map((context) => ({
    ...{ context, kvHeads: 32, group: 1, widths: published, denominator: 32, tail: 'none' as const },
    beside: ofPaper,
  })),
  ...[32768, 262144].flatMap((context) => [
    { ...llamaStep(context), tail: 'mean' as const },
    { ...llamaStep(context), tail: 'blocks' as const },
  ]),
  ...[32768, 262144].map((context) => ({ ...llamaStep(context), tail: 'none' as const, run: 512 })),
  // all of a list in one chunk
  ...[32768, 262144].map((context) => ({ ...llamaStep(context), tail: 'none' as const, run: context / 32 })),
];
/** For adapters that run on the CPU. */
const smallHashStepCases: readonly HashStepSpec[] = [
  { context: 4096, kvHeads: 3, group: 3, widths: [64, 64, 32], denominator: 16, tail: 'none' },
  { context: 4096, kvHeads: 3, group: 3, widths: [64, 64, 32], denominator: 16, tail: 'mean' },
  { context: 4096, kvHeads: 3, group: 3, widths: [64, 64, 32], denominator: 16, tail: 'blocks' },
];

function llamaStep(context: number) {
  return { context, kvHeads: 8, group: 4, widths: published, denominator: 32 };
}

/** Bytes of keys and values that the layers of a step hold together: 1/32 of it, what a step reads, is more than twice
 *  the largest second-level cache of today's graphics cards (50 MB). */
const stepBytes = 2 ** 32;

/** Sparse steps beside dense attention over the same number of layers, enough that no cache holds what a step reads. Dense
 *  attention is timed once a shape and length. */
export function hashStepsCases({ gpu, log, isCpu, ceiling, report }: Run): Case[] {
  const timed = new Map<string, Awaited<ReturnType<typeof benchAttend>>>();
  const denseOf = async (spec: AttendCase) => {
    const key = JSON.stringify(spec);
    const dense = timed.get(key) ?? (await benchAttend(gpu, spec));
    timed.set(key, dense);
    return dense;
  };
  return (isCpu ? smallHashStepCases : hashStepCases).map((spec): Case => {
    const { context, kvHeads, group, widths, denominator, tail, run, beside } = spec;
    const headDim = widths[0]!;
    const layers = isCpu ? 2 : Math.ceil(stepBytes / (4 * kvHeads * context * headDim));
    const name = `${kvHeads * group}/${kvHeads} × ${headDim}, ${context} tokens, 1/${denominator}${tail === 'none' ? '' : `, tail ${tail}`}${run ? `, in runs of ${run}` : ''}`;
    return {
      name: `hash step ${name}`,
      measure: async () => {
        const step = await benchHashStep(gpu, { ...spec, layers });
        const dense = await denseOf({ context, kvHeads, group, headDim, layers });
        const timing: HashStepComparison = {
          name,
          sparse: step.timing,
          sparseBound: boundOf(ceiling, step.bytes, 5),
          dispatchMs: step.dispatchMs,
          dense: dense.timing,
          denseBound: boundOf(ceiling, dense.bytes, 2),
        };
        report.hashSteps.push(timing);
        log(`${describeHashStep(timing)}${beside ? ` (${beside})` : ''}`);
      },
    };
  });
}

function describeHashStep({
  name,
  sparse,
  sparseBound,
  dense,
  denseBound,
  dispatchMs,
}: HashStepComparison): string {
  const micro = (ms: number): string => (ms * 1000).toFixed(1);
  const compared = (way: keyof Timing): string => {
    const ratio = dense[way] / sparse[way];
    const wanted = denseBound[way] / sparseBound[way];
    return [
      `${micro(sparse[way])} µs, ${(sparse[way] / sparseBound[way]).toFixed(2)} × bound`,
      `dense ${micro(dense[way])} µs, ${(dense[way] / denseBound[way]).toFixed(2)} × bound`,
      `ratio ${ratio.toFixed(2)}, ${(ratio / wanted).toFixed(2)} of ${wanted.toFixed(2)}`,
    ].join('; ');
  };
  const parts = Object.values(dispatchMs).map(micro).join(' + ');
  return `hash step ${name}: ${compared('gpuMs')}; dispatches ${parts}; with recording ${compared('submittedMs')}`;
}
