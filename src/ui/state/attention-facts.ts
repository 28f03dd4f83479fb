/** What the engine found out about sparse attention with the loaded model on this device, in words. */
import type { AttentionFacts } from '../../engine/index.ts';
import { formatCount } from './format.ts';

/** What automatic attention does; facts: null while nothing was measured. */
export function automaticInWords(facts: AttentionFacts | null): string {
  if (facts === null) return 'sparse from the length at which this device begins to gain';
  if (facts.mapsWarning !== undefined) return 'dense, as the signatures do not fit';
  if (facts.crossoverTokens === null) return 'dense, as this device gains nothing within the context';
  return `sparse from ${formatCount(facts.crossoverTokens)} tokens on, where this device begins to gain`;
}

/** Where the signatures come from, and what is wrong with them. */
export function signatureNotes(facts: AttentionFacts | null): readonly string[] {
  if (facts === null) return [];
  const { maps, bits, sharing, mapsWarning, layerBudgets } = facts;
  const per = sharing === 'kv-head' ? 'key-value head' : 'query head';
  const origin = {
    trained: `Signatures trained for this model: ${bits} bits per token and ${per}.`,
    learned: `Signatures learned in this browser: ${bits} bits per token and ${per}.`,
    untrained: `Untrained signatures: this model brings none of its own, so random ones are used, which pick worse.`,
  }[maps];
  const budgets =
    layerBudgets &&
    `They give each layer its own number of selected tokens, from ${formatFactor(Math.min(...layerBudgets))} to ${formatFactor(Math.max(...layerBudgets))} times the mean.`;
  return [origin, ...(budgets ? [budgets] : []), ...(mapsWarning === undefined ? [] : [mapsWarning])];
}

function formatFactor(factor: number): string {
  return factor.toFixed(1);
}
