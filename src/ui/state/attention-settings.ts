/** Which attention to use, as a person sets it, and what that is to the engine. */
import type { AttentionOptions, SparseAttentionOptions } from '../../engine/index.ts';
import { isAllowed, type NumberRange } from './number-range.ts';

/** `automatic`: sparse from the length at which this device begins to gain. */
export type AttentionMode = 'automatic' | 'dense' | 'sparse';

/** How tokens are chosen. `trained`: as the signature maps say of themselves; `published`: as in the paper, with a list per
 *  query head, neither dense layers, tail, nor budgets by layer. The last three are there to compare with. */
export type AttentionMethod =
  | 'trained'
  | 'asymmetric'
  | 'hamming'
  | 'published'
  | 'oracle'
  | 'random'
  | 'streaming';

/** What stands for the tokens that are not selected. */
export type TailSetting = NonNullable<SparseAttentionOptions['tail']>;

export type LayerBudgetsSetting = 'maps' | 'uniform';

/** Kept when dense is chosen, too, so that switching back and forth loses nothing. Null: the engine's own value. */
export interface AttentionSettings {
  readonly mode: AttentionMode;
  readonly method: AttentionMethod;
  /** One token of this many in the context is selected; 0: as many as `selected` says. */
  readonly selectedOneIn: number;
  readonly selected: number | null;
  readonly sink: number | null;
  readonly window: number | null;
  readonly tail: TailSetting | null;
  /** Layers that attend to everything. */
  readonly denseLayers: readonly number[] | null;
  /** How selected tokens are spread over the layers: as the signatures say, or the same number in all. */
  readonly layerBudgets: LayerBudgetsSetting;
}

export type AttentionNumber = 'selected' | 'sink' | 'window';

export interface AttentionField extends NumberRange {
  readonly name: AttentionNumber;
  /** What an empty field stands for. */
  readonly standard: number;
}

export const tails: readonly TailSetting[] = ['blocks', 'mean', 'none'];

export const layerBudgetsChoices: readonly LayerBudgetsSetting[] = ['maps', 'uniform'];

export const methods: readonly AttentionMethod[] = [
  ...(['trained', 'asymmetric', 'hamming', 'published', 'oracle', 'random', 'streaming'] as const),
];

/** 0: a fixed number. */
export const selectedOneInChoices: readonly number[] = [4, 8, 16, 32, 64, 0];

export const selectedField: AttentionField = {
  name: 'selected',
  label: 'Number of selected tokens',
  hint: 'Besides sink and window',
  standard: 256,
  min: 0,
  max: 1_000_000,
  step: 1,
};

export const sinkField: AttentionField = {
  name: 'sink',
  label: 'Sink',
  hint: 'First tokens, always attended to',
  standard: 128,
  min: 0,
  max: 1_000_000,
  step: 1,
};

export const windowField: AttentionField = {
  name: 'window',
  label: 'Window',
  hint: 'Last tokens, always attended to',
  standard: 128,
  min: 1,
  max: 1_000_000,
  step: 1,
};

const numberFields = [selectedField, sinkField, windowField];

export const defaultAttention: AttentionSettings = {
  mode: 'automatic',
  method: 'trained',
  selectedOneIn: 16,
  selected: null,
  sink: null,
  window: null,
  tail: null,
  denseLayers: null,
  layerBudgets: 'maps',
};

/** Attention settings from JSON of any shape: what cannot be used falls back to the default. */
export function parseAttention(json: unknown): AttentionSettings {
  const record = (typeof json === 'object' && json !== null ? json : {}) as Readonly<Record<string, unknown>>;
  const numbers: Record<AttentionNumber, number | null> = { selected: null, sink: null, window: null };
  for (const field of numberFields) {
    const value = record[field.name];
    if (isAllowed(field, value)) numbers[field.name] = value;
  }
  const { mode, denseLayers, tail } = record;
  return {
    mode: mode === 'dense' || mode === 'sparse' ? mode : defaultAttention.mode,
    method: methods.find((method) => method === record.method) ?? defaultAttention.method,
    selectedOneIn:
      selectedOneInChoices.find((choice) => choice === record.selectedOneIn) ??
      defaultAttention.selectedOneIn,
    ...numbers,
    tail: tailFrom(tail),
    denseLayers: Array.isArray(denseLayers) && denseLayers.every(isLayer) ? denseLayers : null,
    layerBudgets: record.layerBudgets === 'uniform' ? 'uniform' : defaultAttention.layerBudgets,
  };
}

/** Settings once stored said only whether there is a tail. */
function tailFrom(stored: unknown): TailSetting | null {
  if (typeof stored === 'boolean') return stored ? 'blocks' : 'none';
  return tails.find((tail) => tail === stored) ?? null;
}

/** What to ask of the engine. */
export function attentionOptions(settings: AttentionSettings): AttentionOptions {
  if (settings.mode === 'dense') return { mode: 'dense' };
  const { method, selectedOneIn, tail, denseLayers, layerBudgets } = settings;
  const numberIn = ({ name, standard }: AttentionField): number => settings[name] ?? standard;
  const ranges = {
    ...{ sink: numberIn(sinkField), window: numberIn(windowField) },
    ...(settings.mode === 'sparse' ? { denseBelow: 0 } : {}),
    ...(tail === null ? {} : { tail }),
    ...(denseLayers === null ? {} : { denseLayers }),
  };
  const ofHash = { ...ranges, ...(layerBudgets === 'maps' ? {} : { layerBudgets }) };
  const budget = selectedOneIn === 0 ? { tokens: numberIn(selectedField) } : { fraction: 1 / selectedOneIn };
  switch (method) {
    case 'trained':
      return { mode: 'hash', budget, ...ofHash };
    case 'asymmetric':
    case 'hamming':
      return { mode: 'hash', score: method, budget, ...ofHash };
    case 'published': {
      const asPublished = { score: 'hamming', lists: 'query-head', tail: 'none', denseLayers: [] } as const;
      return { mode: 'hash', budget, ...ranges, ...asPublished, layerBudgets: 'uniform' };
    }
    case 'oracle':
      return { mode: 'oracle', budget, ...ranges };
    case 'random':
      return { mode: 'random', budget, ...ranges };
    case 'streaming':
      return { mode: 'streaming', ...ranges };
    default:
      return method satisfies never;
  }
}

/** Layer numbers as typed: "0, 5" or "none"; null when left empty, undefined when they are none.
 *  layers: how many there are, where that is known. */
export function parseLayers(typed: string, layers = layersAtMost): readonly number[] | null | undefined {
  const text = typed.trim();
  if (text === '') return null;
  if (text.toLowerCase() === 'none') return [];
  const parts = text.split(/\s*,\s*|\s+/);
  const numbers = parts.map(Number);
  return parts.every((part) => /^\d+$/.test(part)) && numbers.every((number) => number < layers)
    ? numbers
    : undefined;
}

export function layersAsTyped(layers: readonly number[] | null): string {
  if (layers === null) return '';
  return layers.length === 0 ? 'none' : layers.join(', ');
}

function isLayer(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < layersAtMost;
}

const layersAtMost = 1000;
