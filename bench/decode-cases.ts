/** Whole decode steps, dense and sparse. */
import type { AttentionOptions } from '../src/engine/api.ts';
import { largeHalves } from './ceiling.ts';
import { benchDecode, type DecodeTiming } from './decode.bench.ts';
import { openDefaultNetwork } from './engine.bench.ts';
import { type Case, inTime, type Run } from './run.ts';
import { createSyntheticNetwork, llama8b } from './synthetic-model.ts';

export async function decodeOf8b(run: Run): Promise<void> {
  const { gpu, log, ceiling, report } = run;
  const network = await createSyntheticNetwork(gpu, llama8b, 262144 + 1024);
  const sparse = { mode: 'hash', budget: { fraction: 1 / 32 }, denseBelow: 0 } as const;
  const everywhere = { ...sparse, tail: 'none' as const, denseLayers: [] };
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
export async function decodeOfDefault(run: Run): Promise<void> {
  const { gpu, log, ceiling, report, openDefaultModel } = run;
  const { network } = await openDefaultNetwork(gpu, await openDefaultModel());
  const timed = (name: string, attention: AttentionOptions) =>
    recordDecode(run, report.decode4k, `the default model, ${name}`, () =>
      benchDecode(gpu, network, 4096, ceiling, { attention, halves: largeHalves }),
    );
  const denseMs = await timed('dense', { mode: 'dense' });
  const hashMs = await timed('HashAttention 1/16', { mode: 'hash', denseBelow: 0 });
  const everywhere = { mode: 'hash', denseBelow: 0, denseLayers: [], tail: 'none' } as const;
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
