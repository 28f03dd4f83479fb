/** What a person gives to learn signatures from, and how much is learned unless told. */
import {
  AppError,
  type LearningSize,
  learningDefaults,
  type MemoryPlan,
  shortestSequence,
} from '../../engine/index.ts';
import { formatBytes, formatCount } from './format.ts';
import type { NumberRange } from './number-range.ts';

/** The text this page brings. */
export const sampleText = { path: 'samples/moby-dick.txt', title: 'Moby-Dick, chapters 1 to 19' } as const;

/** Bytes of all files together: more than the longest training reads. */
const mostBytes = 16e6;

/** The form as filled in; null: the standard. */
export interface LearningDraft {
  readonly source: 'sample' | 'files';
  readonly files: readonly File[];
  readonly steps: number | null;
  readonly longest: number | null;
}

export const emptyLearningDraft: LearningDraft = { source: 'sample', files: [], steps: null, longest: null };

export interface LearningFields {
  readonly steps: NumberRange;
  readonly longest: NumberRange;
  /** What empty fields stand for. */
  readonly standard: LearningSize;
}

export function learningFields(plan: MemoryPlan): LearningFields {
  const standard = learningDefaults(plan);
  const { isCpu } = plan.device;
  return {
    standard,
    steps: {
      ...{ label: 'Steps', min: 1, max: 10_000, step: 1 },
      hint: isCpu
        ? 'Few, as this device has no graphics processor'
        : 'More find more, with less and less gain',
    },
    longest: {
      ...{ label: 'Longest sequence', min: shortestSequence, max: plan.contextLength, step: 1 },
      hint: `Tokens; up to the planned ${formatCount(plan.contextLength)}`,
    },
  };
}

/** What short sequences mean for their use; null where there is nothing to say. */
export function lengthNote(longest: number, plan: MemoryPlan): string | null {
  if (longest >= plan.contextLength) return null;
  return `Automatic attention relies on signatures only within the length they were learned on: it will stay dense while the model is loaded for ${formatCount(plan.contextLength)} tokens of context. Sparse by choice works.`;
}

/** The texts of the chosen files.
 *  @throws AppError "invalid-request" when there are none, or they are too large. */
export async function readTexts(files: readonly File[]): Promise<string[]> {
  if (files.length === 0) {
    throw new AppError('invalid-request', 'Choose one or more text files, or the sample.');
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > mostBytes) {
    throw new AppError(
      'invalid-request',
      `The files have ${formatBytes(bytes)}; at most ${formatBytes(mostBytes)} can be read. Choose fewer.`,
    );
  }
  return Promise.all(files.map((file) => file.text()));
}

/** @throws AppError "download-failed" */
export async function readSample(pageUrl: string): Promise<string[]> {
  const url = new URL(sampleText.path, pageUrl);
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return [await response.text()];
  } catch (cause) {
    throw new AppError(
      'download-failed',
      `The sample text could not be fetched from ${url} (${String(cause)}). Try again, or choose a text of your own.`,
      { cause },
    );
  }
}
