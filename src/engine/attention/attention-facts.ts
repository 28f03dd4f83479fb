/** What the engine finds out about sparse attention for whoever asks. */
import type { AttentionFacts } from '../api.ts';
import type { TextSide } from '../text-engine.ts';

/** Loads and compiles beside whatever runs, then measures between the requests. */
export async function attentionFacts({ parts, generator, disposal }: TextSide): Promise<AttentionFacts> {
  const { tokens } = parts;
  await tokens.withNetwork(({ network }) => network.prepareSparse());
  return generator.turns.run(() => tokens.withNetwork(({ network }) => network.attentionFacts()), disposal);
}
