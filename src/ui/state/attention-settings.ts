/** Dense or sparse attention, as a person sets it, and what that is to the engine. */
import type { AttentionOptions } from '../../engine/index.ts';
import { isAllowed, type NumberRange } from './number-range.ts';

/** Kept when dense is chosen, too, so that switching back and forth loses nothing. Null: the standard value. */
export interface AttentionSettings {
  readonly mode: 'dense' | 'sparse';
  /** One token of this many in the context is selected. */
  readonly selectedOneIn: number;
  readonly sink: number | null;
  readonly window: number | null;
  readonly denseBelow: number | null;
}

export type AttentionNumber = 'sink' | 'window' | 'denseBelow';

export interface AttentionField extends NumberRange {
  readonly name: AttentionNumber;
  /** The engine's own value: what an empty field stands for. */
  readonly standard: number;
}

export const selectedOneInChoices: readonly number[] = [4, 8, 16, 32, 64];

export const attentionFields: readonly AttentionField[] = [
  {
    name: 'sink',
    label: 'Sink',
    hint: 'First tokens, always attended to',
    standard: 128,
    min: 0,
    max: 1_000_000,
    step: 1,
  },
  {
    name: 'window',
    label: 'Window',
    hint: 'Last tokens, always attended to',
    standard: 128,
    min: 1,
    max: 1_000_000,
    step: 1,
  },
  {
    name: 'denseBelow',
    label: 'Sparse from (tokens of context)',
    hint: 'Dense in shorter contexts',
    standard: 1024,
    min: 0,
    max: 1_000_000,
    step: 1,
  },
];

export const defaultAttention: AttentionSettings = {
  mode: 'dense',
  selectedOneIn: 16,
  sink: null,
  window: null,
  denseBelow: null,
};

/** Attention settings from JSON of any shape: what cannot be used falls back to the default. */
export function parseAttention(json: unknown): AttentionSettings {
  const record = (typeof json === 'object' && json !== null ? json : {}) as Readonly<Record<string, unknown>>;
  const numbers: Record<AttentionNumber, number | null> = { sink: null, window: null, denseBelow: null };
  for (const field of attentionFields) {
    const value = record[field.name];
    if (isAllowed(field, value)) numbers[field.name] = value;
  }
  const selectedOneIn = selectedOneInChoices.find((choice) => choice === record.selectedOneIn);
  return {
    mode: record.mode === 'sparse' ? 'sparse' : 'dense',
    selectedOneIn: selectedOneIn ?? defaultAttention.selectedOneIn,
    ...numbers,
  };
}

/** What to ask of the engine. */
export function attentionOptions(settings: AttentionSettings): AttentionOptions {
  if (settings.mode === 'dense') return { mode: 'dense' };
  const numbers = attentionFields.map(({ name, standard }) => [name, settings[name] ?? standard]);
  return {
    mode: 'hash',
    budget: { fraction: 1 / settings.selectedOneIn },
    ...(Object.fromEntries(numbers) as Record<AttentionNumber, number>),
  };
}
