/** Runs an evaluation stage by stage and gives every record as it is found. */
import { policyBytes } from '../src/engine/evaluate/policy-bytes.ts';
import type { RowEvaluator } from '../src/engine/evaluate/row-evaluator.ts';
import { planRows } from '../src/engine/evaluate/row-policy.ts';
import type { ModelConfig } from '../src/model/config.ts';
import { type NeedlePrompt, needleDepth } from './needles.ts';
import type { NamedPolicy } from './policies.ts';
import {
  type EvalRecord,
  type NeedleRecord,
  type QualityRecord,
  recordKey,
  type WindowRecord,
} from './records.ts';

/** A run of tokens to predict. */
export interface TextWindow {
  readonly name: string;
  readonly ids: readonly number[];
}

export type Stage =
  /** The second half of the first `context` tokens of every window. */
  | {
      readonly kind: 'perplexity';
      readonly context: number;
      readonly windows: readonly TextWindow[];
      readonly policies: readonly NamedPolicy[];
    }
  /** How good the choices are in each layer, on `rows` tokens after half of `context`. */
  | {
      readonly kind: 'quality';
      readonly context: number;
      readonly rows: number;
      readonly windows: readonly TextWindow[];
      readonly policies: readonly NamedPolicy[];
    }
  | {
      readonly kind: 'retrieval';
      readonly prompts: readonly NeedlePrompt[];
      readonly policies: readonly NamedPolicy[];
    };

/** Last tokens of prompt and answer that attend sparsely: the question and what follows. */
export const sparseTokens = 30;

export interface Evaluation {
  readonly evaluator: RowEvaluator;
  readonly config: ModelConfig;
  /** Keys of records that are there already: they are not made again. */
  readonly known: ReadonlySet<string>;
  /** Nothing is begun once it says so. */
  readonly isOver: () => boolean;
}

/** One policy on one text: what it is a record of, and how to make it. */
interface Task<R extends EvalRecord> {
  readonly key: string;
  run(): Promise<R>;
}

export async function* runStages(
  evaluation: Evaluation,
  stages: readonly Stage[],
): AsyncGenerator<EvalRecord> {
  const made = new Set(evaluation.known);
  for (const stage of stages) {
    for (const { read, tasks } of textsOf(evaluation, stage)) {
      const open = tasks.filter(({ key }) => !made.has(key));
      if (open.length === 0) continue;
      if (evaluation.isOver()) return;
      await read();
      for (const { key, run } of open) {
        if (evaluation.isOver()) return;
        yield await run();
        made.add(key);
      }
    }
  }
}

/** A text's dense beginning, read once for all policies. */
interface SharedText {
  readonly read: () => Promise<void>;
  readonly tasks: readonly Task<EvalRecord>[];
}

function textsOf(evaluation: Evaluation, stage: Stage): SharedText[] {
  switch (stage.kind) {
    case 'perplexity':
      return stage.windows.map((window) => perplexityText(evaluation, stage, window));
    case 'quality':
      return stage.windows.map((window) => qualityText(evaluation, stage, window));
    case 'retrieval':
      return stage.prompts.map((prompt, index) => needleText(evaluation, stage.policies, prompt, index));
    default:
      return stage satisfies never;
  }
}

/** Tokens [context/2, context) are predicted sparsely, the first of them from a dense context. */
function perplexityText(
  { evaluator, config }: Evaluation,
  { context, policies }: Extract<Stage, { kind: 'perplexity' }>,
  { name: window, ids }: TextWindow,
): SharedText {
  const first = context / 2 - 1;
  const targets = ids.slice(first + 1, context);
  const tasks = policies.map((policy): Task<WindowRecord> => {
    const about = { kind: 'window', policy: policy.name, context, window } as const;
    const run = async (): Promise<WindowRecord> => {
      const started = performance.now();
      const { losses } = await evaluator.score(policy, ids.slice(first, context - 1), targets);
      const bytes = policyBytes(planRows(policy, config), config, Math.round((first + context) / 2));
      const ms = Math.round(performance.now() - started);
      return { ...about, tokens: targets.length, loss: losses.reduce((a, b) => a + b, 0), bytes, ms };
    };
    return { key: recordKey({ ...about, tokens: 0, loss: 0, bytes: 0, ms: 0 }), run };
  });
  return { read: () => evaluator.read(ids.slice(0, first), context - first), tasks };
}

function qualityText(
  { evaluator }: Evaluation,
  { context, rows, policies }: Extract<Stage, { kind: 'quality' }>,
  { name: window, ids }: TextWindow,
): SharedText {
  const first = context / 2;
  const tasks = policies.map((policy): Task<QualityRecord> => {
    const about = { kind: 'quality', policy: policy.name, window } as const;
    const run = async (): Promise<QualityRecord> => {
      const targets = ids.slice(first + 1, first + rows + 1);
      const measures = true;
      const { quality } = await evaluator.score(policy, ids.slice(first, first + rows), targets, {
        measures,
      });
      return { ...about, layers: quality };
    };
    return { key: recordKey({ ...about, layers: [] }), run };
  });
  return { read: () => evaluator.read(ids.slice(0, first), rows + 1), tasks };
}

function needleText(
  { evaluator }: Evaluation,
  policies: readonly NamedPolicy[],
  needle: NeedlePrompt,
  index: number,
): SharedText {
  const { prompt_ids, answer_ids, set } = needle;
  const ids = [...prompt_ids, ...answer_ids];
  const first = ids.length - Math.max(sparseTokens, answer_ids.length + 1);
  const depth = needleDepth(needle);
  const tasks = policies.map((policy): Task<NeedleRecord> => {
    const about = {
      kind: 'needle',
      policy: policy.name,
      prompt: index,
      set,
      length: prompt_ids.length,
      depth,
    } as const;
    const run = async (): Promise<NeedleRecord> => {
      const { tops } = await evaluator.score(policy, ids.slice(first, -1), ids.slice(first + 1));
      const answered = tops.subarray(prompt_ids.length - 1 - first);
      return { ...about, isRight: answer_ids.every((id, i) => answered[i] === id) };
    };
    return { key: recordKey({ ...about, isRight: false }), run };
  });
  return { read: () => evaluator.read(ids.slice(0, first), ids.length - first), tasks };
}
