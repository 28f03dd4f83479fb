/** Whole decode steps, dense and sparse. */
import type { AttentionOptions } from '../src/engine/api.ts';
import { largeHalves } from './ceiling.ts';
import { benchDecode, type DecodeTiming } from './decode.bench.ts';
import { openDefaultNetwork } from './engine.bench.ts';
import { type Case, inTime, type Run } from './run.ts';
import { createSyntheticNetwork, llama8b } from './synthetic-model.ts';
import type { Timing } from './timing.ts';

export async function decodeOf8b(run: Run): Promise<void> {
  const { gpu, log, ceiling, report } = run;
  const network = await createSyntheticNetwork(gpu, llama8b, 262144 + 1024);
  const hash = { mode: 'hash', budget: { fraction: 1 / 32 }, denseBelow: 0 } as const;
  const everywhere = { ...hash, tail: 'none' as const, denseLayers: [] };
  const timed = (context: number, name: string, attention?: AttentionOptions) =>
    recordDecode(run, report.decode8b, `the 8B shape, ${name}`, () =>
      benchDecode(gpu, network, context, ceiling, { ...(attention ? { attention } : {}) }),
    );
  const cases = [131072, 32768, 262144, 1024, 8192].map(
    (context): Case => ({
      name: `decode of the 8B shape at ${context} tokens`,
      measure: async () => {
        const dense = await timed(context, 'dense');
        if (context < 32768) return;
        const sparse = await timed(context, 'HashAttention 1/32', hash);
        const sparseEverywhere = await timed(context, 'the same in every layer, without tail', everywhere);
        log(`dense over sparse: ${gainOf(dense, sparse)}, ${gainOf(dense, sparseEverywhere)}`);
      },
    }),
  );
  await inTime(run, cases);
  network.dispose();
}

/** The default model after 4096 tokens that nobody said: sparse, as it is by default, and dense. */
export async function decodeOfDefault(run: Run): Promise<void> {
  const { gpu, log, ceiling, report, openDefaultModel } = run;
  const { network } = await openDefaultNetwork(gpu, await openDefaultModel());
  const timed = (name: string, attention: AttentionOptions) =>
    recordDecode(run, report.decode4k, `the default model, ${name}`, () =>
      benchDecode(gpu, network, 4096, ceiling, { attention, halves: largeHalves }),
    );
  const dense = await timed('dense', { mode: 'dense' });
  const sparse = await timed('HashAttention 1/16', { mode: 'hash', denseBelow: 0 });
  const everywhere = { mode: 'hash', denseBelow: 0, denseLayers: [], tail: 'none' } as const;
  const sparseEverywhere = await timed('the same in every layer, without tail', everywhere);
  log(`dense over sparse: ${gainOf(dense, sparse)}, ${gainOf(dense, sparseEverywhere)}`);
  network.dispose();
}

async function recordDecode(
  { log, keep, report }: Run,
  timings: DecodeTiming[],
  name: string,
  measure: () => Promise<DecodeTiming>,
): Promise<DecodeTiming> {
  const decode = await measure();
  timings.push(decode);
  keep?.(report);
  const { context, timing, engineMs, dispatches, bound } = decode;
  const compared = (way: keyof Timing): string =>
    `${timing[way].toFixed(2)} ms, ${(timing[way] / bound[way]).toFixed(2)} × (bytes/B + dispatches·L)`;
  log(
    `decode at ${context} tokens of ${name}, ${dispatches} dispatches: ${compared('gpuMs')}; through the engine ${engineMs.toFixed(2)} ms; in one submission ${compared('submittedMs')}`,
  );
  return decode;
}

/** How many times faster the second is: on the GPU, and as tokens arrive. */
function gainOf(dense: DecodeTiming, sparse: DecodeTiming): string {
  const onGpu = dense.timing.gpuMs / sparse.timing.gpuMs;
  return `${onGpu.toFixed(2)} (through the engine ${(dense.engineMs / sparse.engineMs).toFixed(2)})`;
}
