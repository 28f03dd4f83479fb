/** The tables of an evaluation in Markdown. */
import { fractionLabel, type PolicyName, policyLabel } from './policies.ts';
import { type EvalRecord, type Perplexity, perplexities, retrievals } from './records.ts';

export interface EvalFacts {
  readonly model: string;
  readonly device: string;
  readonly date: string;
  readonly command: string;
  readonly seconds: number;
  /** Everything planned has been run. */
  readonly isComplete: boolean;
}

export function markdownReport(facts: EvalFacts, records: readonly EvalRecord[]): string {
  const rows = perplexities(records);
  const contexts = [...new Set(rows.map(({ context }) => context))];
  const parts = [
    `# ${facts.model}: what sparse attention costs`,
    `${facts.date}, ${facts.device}, ${Math.round(facts.seconds)} s, \`${facts.command}\`${facts.isComplete ? '' : '; stopped before everything planned was run'}.`,
    ...contexts.flatMap((context) => [
      `## Perplexity, ${context} tokens`,
      perplexityTable(rows.filter((row) => row.context === context)),
    ]),
    ...needleTables(records),
    ...qualityTables(records),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function perplexityTable(rows: readonly Perplexity[]): string {
  return table(
    [
      'policy',
      'selected',
      'tail (layer 0 then dense)',
      'perplexity',
      'against dense',
      'bytes a token',
      'of dense',
      'windows',
    ],
    rows.map(({ policy, perplexity, excess, bytes, share, windows }) => [
      nameOf(policy),
      fractionLabel(policy.fraction) || '–',
      policy.proxy ?? policy.tail,
      perplexity.toFixed(3),
      policy.selector === 'dense' ? '' : signed(excess),
      `${(bytes / 1e6).toFixed(2)} MB`,
      `${(100 * share).toFixed(1)} %`,
      String(windows),
    ]),
  );
}

function needleTables(records: readonly EvalRecord[]): string[] {
  const found = retrievals(records);
  if (found.length === 0) return [];
  const sets = [...new Set(found.map(({ set }) => set))];
  const labels = [...new Set(found.map(({ policy }) => policyLabel(policy)))];
  const cells = labels.map((label) => [
    label,
    ...sets.map((set) => {
      const one = found.find((other) => policyLabel(other.policy) === label && other.set === set);
      return one ? `${one.right}/${one.prompts}` : '';
    }),
  ]);
  return ['## Needles found, question and answer sparse', table(['policy', ...sets], cells)];
}

function qualityTables(records: readonly EvalRecord[]): string[] {
  const quality = records.filter((record) => record.kind === 'quality');
  if (quality.length === 0) return [];
  const labels = [...new Set(quality.map(({ policy }) => policyLabel(policy)))];
  const layers = [...new Set(quality.flatMap((record) => record.layers.map(({ layer }) => layer)))].sort(
    (a, b) => a - b,
  );
  const mean = (label: string, layer: number, of: 'mass' | 'recall'): string => {
    const values = quality
      .filter(({ policy }) => policyLabel(policy) === label)
      .flatMap((record) => record.layers.filter((own) => own.layer === layer).map((own) => own[of]));
    return values.length === 0 ? '' : (values.reduce((a, b) => a + b) / values.length).toFixed(3);
  };
  return (['mass', 'recall'] as const).flatMap((of) => [
    of === 'mass'
      ? '## Share of the exact attention that the attended tokens hold, by layer'
      : '## Share of the selected tokens that the exact choice has too, by layer',
    table(
      ['layer', ...labels],
      layers.map((layer) => [String(layer), ...labels.map((label) => mean(label, layer, of))]),
    ),
  ]);
}

/** "hash (shipped), budgets missed" and the like, without budget and rest. */
export function nameOf({ selector, maps, budgets }: PolicyName): string {
  const name = maps === '' ? selector : `${selector} (${maps})`;
  return budgets ? `${name}, budgets ${budgets}` : name;
}

export function signed(excess: number): string {
  return `${excess >= 0 ? '+' : '−'}${Math.abs(100 * excess).toFixed(2)} %`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
