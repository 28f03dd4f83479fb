/** What an evaluation finds out, one record at a time, in the order in which it is found. */
import type { LayerQuality } from '../src/engine/evaluate/layer-quality.ts';
import type { PolicyName } from './policies.ts';

/** Loss of one window of text under one policy. */
export interface WindowRecord {
  readonly kind: 'window';
  readonly policy: PolicyName;
  readonly context: number;
  readonly window: string;
  /** Sum of natural-log losses, and of how many tokens. */
  readonly loss: number;
  readonly tokens: number;
  /** Bytes that attention reads for a token at the mean length of the context, all layers together. */
  readonly bytes: number;
  readonly ms: number;
}

/** How good a policy's choice of tokens is, on one window. */
export interface QualityRecord {
  readonly kind: 'quality';
  readonly policy: PolicyName;
  readonly window: string;
  readonly layers: readonly LayerQuality[];
}

/** One prompt, question and answer sparse. */
export interface NeedleRecord {
  readonly kind: 'needle';
  readonly policy: PolicyName;
  /** Number of the prompt, and its set. */
  readonly prompt: number;
  readonly set: string;
  readonly length: number;
  readonly depth: number | null;
  /** Whether every token of the answer was the likeliest. */
  readonly isRight: boolean;
}

export type EvalRecord = WindowRecord | QualityRecord | NeedleRecord;

/** Alike for records of the same thing, whatever was found. */
export function recordKey(record: EvalRecord): string {
  const { kind, policy } = record;
  switch (kind) {
    case 'window':
      return JSON.stringify([kind, policy, record.context, record.window]);
    case 'quality':
      return JSON.stringify([kind, policy, record.window]);
    case 'needle':
      return JSON.stringify([kind, policy, record.prompt, record.set, record.length]);
    default:
      return kind satisfies never;
  }
}

/** The record of one policy over all its windows. */
export interface Perplexity {
  readonly policy: PolicyName;
  readonly context: number;
  readonly windows: number;
  readonly perplexity: number;
  /** Against dense on the same windows: perplexity − 1, e.g. 0.007. */
  readonly excess: number;
  readonly bytes: number;
  /** Of what dense reads. */
  readonly share: number;
}

/** Perplexity by policy, in the order of first appearance; a policy is compared with dense on the windows that both have
 *  seen. */
export function perplexities(records: readonly EvalRecord[]): Perplexity[] {
  const windows = records.filter((record) => record.kind === 'window');
  const groups = new Map<string, WindowRecord[]>();
  for (const record of windows) {
    const key = JSON.stringify([record.policy, record.context]);
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return [...groups.values()].flatMap((own) => {
    const { policy, context } = own[0]!;
    const pairs = own.flatMap((record) => {
      const reference = windows.find(
        (other) =>
          other.policy.selector === 'dense' && other.context === context && other.window === record.window,
      );
      return reference ? [{ record, reference }] : [];
    });
    if (pairs.length === 0) return [];
    const sum = (pick: (pair: (typeof pairs)[number]) => number) =>
      pairs.reduce((s, pair) => s + pick(pair), 0);
    const tokens = sum(({ record }) => record.tokens);
    const loss = sum(({ record }) => record.loss) / tokens;
    const bytes = sum(({ record }) => record.bytes) / pairs.length;
    return {
      ...{ policy, context, windows: pairs.length, bytes, perplexity: Math.exp(loss) },
      excess: Math.exp(loss - sum(({ reference }) => reference.loss) / tokens) - 1,
      share: bytes / (sum(({ reference }) => reference.bytes) / pairs.length),
    };
  });
}

export interface Retrieval {
  readonly policy: PolicyName;
  readonly set: string;
  readonly prompts: number;
  readonly right: number;
}

/** Needles found by policy and set, and over all sets ("all"). */
export function retrievals(records: readonly EvalRecord[]): Retrieval[] {
  const groups = new Map<string, { policy: PolicyName; set: string; prompts: number; right: number }>();
  for (const record of records) {
    if (record.kind !== 'needle') continue;
    for (const set of ['all', record.set]) {
      const key = JSON.stringify([record.policy, set]);
      const group = groups.get(key) ?? { policy: record.policy, set, prompts: 0, right: 0 };
      group.prompts++;
      if (record.isRight) group.right++;
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}
