/** What a person sets once for all conversations: system prompt, sampling, attention, appearance. */
import type { ChatCompletionRequest } from '../../engine/index.ts';
import { type AttentionSettings, defaultAttention, parseAttention } from './attention-settings.ts';
import { isAllowed, type NumberRange } from './number-range.ts';

export type Theme = 'system' | 'light' | 'dark';

/** Null: the model's own default. */
export interface SamplingSettings {
  readonly temperature: number | null;
  readonly topP: number | null;
  readonly topK: number | null;
  readonly minP: number | null;
  readonly repetitionPenalty: number | null;
  readonly frequencyPenalty: number | null;
  readonly presencePenalty: number | null;
  readonly seed: number | null;
  readonly maxTokens: number | null;
}

export interface Settings {
  readonly systemPrompt: string;
  readonly sampling: SamplingSettings;
  readonly attention: AttentionSettings;
  readonly theme: Theme;
}

export type SamplingName = keyof SamplingSettings;

export interface SamplingField extends NumberRange {
  readonly name: SamplingName;
}

/** Every sampling setting with the values it may take; integers where `step` is 1. */
export const samplingFields: readonly SamplingField[] = [
  {
    name: 'temperature',
    label: 'Temperature',
    hint: '0 always takes the likeliest token',
    min: 0,
    max: 2,
    step: 0.05,
  },
  { name: 'topP', label: 'Top-p', hint: 'Keep the likeliest share', min: 0, max: 1, step: 0.01 },
  { name: 'topK', label: 'Top-k', hint: 'Keep this many; 0 keeps all', min: 0, max: 1_000_000, step: 1 },
  { name: 'minP', label: 'Min-p', hint: 'Relative to the likeliest', min: 0, max: 1, step: 0.01 },
  {
    name: 'repetitionPenalty',
    label: 'Repetition penalty',
    hint: '1 is off',
    min: 0.1,
    max: 5,
    step: 0.05,
  },
  { name: 'frequencyPenalty', label: 'Frequency penalty', hint: '0 is off', min: -2, max: 2, step: 0.05 },
  { name: 'presencePenalty', label: 'Presence penalty', hint: '0 is off', min: -2, max: 2, step: 0.05 },
  {
    name: 'seed',
    label: 'Seed',
    hint: 'Same seed, same answer',
    min: 0,
    max: 4_294_967_295,
    step: 1,
    empty: 'another each time',
  },
  {
    name: 'maxTokens',
    label: 'Longest answer',
    hint: 'Tokens',
    min: 1,
    max: 1_000_000,
    step: 1,
    empty: 'as the context allows',
  },
];

/** Everything left to the model. */
export const unsetSampling: SamplingSettings = {
  temperature: null,
  topP: null,
  topK: null,
  minP: null,
  repetitionPenalty: null,
  frequencyPenalty: null,
  presencePenalty: null,
  seed: null,
  maxTokens: null,
};

export const defaultSettings: Settings = {
  systemPrompt: '',
  sampling: unsetSampling,
  attention: defaultAttention,
  theme: 'system',
};

/** Settings from stored JSON of any shape or age: what cannot be used falls back to the default. */
export function parseSettings(stored: unknown): Settings {
  const record = isRecord(stored) ? stored : {};
  return {
    systemPrompt: typeof record.systemPrompt === 'string' ? record.systemPrompt : '',
    sampling: parseSamplingSettings(record.sampling),
    attention: parseAttention(record.attention),
    theme: record.theme === 'light' || record.theme === 'dark' ? record.theme : 'system',
  };
}

/** Sampling settings from JSON of any shape: what is missing or not allowed is left to the model. */
export function parseSamplingSettings(json: unknown): SamplingSettings {
  const record = isRecord(json) ? json : {};
  const sampling: Record<SamplingName, number | null> = { ...unsetSampling };
  for (const field of samplingFields) {
    const value = record[field.name];
    if (isAllowed(field, value)) sampling[field.name] = value;
  }
  return sampling;
}

/** What a person set, and the defaults where they set nothing. */
export function withDefaults(sampling: SamplingSettings, defaults: SamplingSettings): SamplingSettings {
  const merged: Record<SamplingName, number | null> = { ...sampling };
  for (const { name } of samplingFields) merged[name] ??= defaults[name];
  return merged;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** The sampling part of a chat request; settings left to the model are absent. */
export function toRequestFields(sampling: SamplingSettings): Partial<ChatCompletionRequest> {
  const fields = {
    temperature: sampling.temperature,
    top_p: sampling.topP,
    top_k: sampling.topK,
    min_p: sampling.minP,
    repetition_penalty: sampling.repetitionPenalty,
    frequency_penalty: sampling.frequencyPenalty,
    presence_penalty: sampling.presencePenalty,
    seed: sampling.seed,
    max_completion_tokens: sampling.maxTokens,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}
