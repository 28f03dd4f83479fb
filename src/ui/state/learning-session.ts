/** Learning signatures for the loaded model: one training at a time, seen from the page. */
import { type ReadonlySignal, signal } from '@preact/signals';
import { AppError, type Engine, type SignaturesKept, type TrainEvent } from '../../engine/index.ts';
import { type Fault, faultFrom } from './fault.ts';

/** What to learn from, and how much. */
export interface LearningWish {
  readonly text: readonly string[];
  readonly steps: number;
  /** Tokens of the longest sequences. */
  readonly longest: number;
}

/** A figure after so many steps. */
export interface LearningPoint {
  readonly step: number;
  readonly value: number;
}

export interface LearningRun {
  readonly steps: number;
  /** Steps done, as far as is known. */
  readonly step: number;
  /** Nats, mean over the layers. */
  readonly losses: readonly LearningPoint[];
  /** On text kept aside: share found of the tokens that dense attention weighs most. */
  readonly recalls: readonly LearningPoint[];
  readonly millisecondsPerStep: number | null;
}

/** Whether what was learned is in use: not yet, being put in place, where it is kept, or why it could not be used. */
export type LearnedUse =
  | { readonly kind: 'unused' }
  | { readonly kind: 'placing' }
  | { readonly kind: 'used'; readonly kept: SignaturesKept }
  | { readonly kind: 'failed'; readonly fault: Fault };

export type LearningState =
  | { readonly kind: 'none' }
  | { readonly kind: 'running'; readonly run: LearningRun; readonly isPausing: boolean }
  | { readonly kind: 'paused'; readonly run: LearningRun }
  /** canResume: there is a checkpoint to go on from. */
  | { readonly kind: 'failed'; readonly run: LearningRun; readonly fault: Fault; readonly canResume: boolean }
  | {
      readonly kind: 'learned';
      readonly run: LearningRun;
      readonly maps: Uint8Array<ArrayBuffer>;
      readonly use: LearnedUse;
    };

export interface LearningSession {
  readonly state: ReadonlySignal<LearningState>;
  /** Begins anew; what was learned before and not used is forgotten. Never rejects, as none of these: failures are a state. */
  start(wish: LearningWish): Promise<void>;
  /** Stops after the step under way and gives the GPU free; `resume` goes on. */
  pause(): void;
  resume(): Promise<void>;
  /** Ends and forgets; also what is paused, failed or learned. */
  cancel(): void;
  /** Puts what was learned in place of the model's own signatures. */
  use(): Promise<void>;
}

type LearningEngine = Pick<Engine, 'trainSignatures' | 'useSignatures'>;
type Checkpoint = Extract<TrainEvent, { readonly kind: 'checkpoint' }>;

/** engine: the loaded one, or null while none is ready. onUsed: other signatures are in use now. */
export function createLearningSession(
  engine: () => LearningEngine | null,
  onUsed: () => void,
): LearningSession {
  const state = signal<LearningState>({ kind: 'none' });
  let attempt = new AbortController();
  let wish: LearningWish | null = null;
  let checkpoint: Checkpoint | null = null;

  /** Where learning stands, from the last checkpoint on. */
  async function learn(wanted: LearningWish, first: LearningRun): Promise<void> {
    attempt.abort();
    const own = new AbortController();
    attempt = own;
    let run = first;
    const change = (next: LearningState): void => {
      if (attempt === own) state.value = next;
    };
    const show = (): void => {
      const current = state.peek();
      change({ kind: 'running', run, isPausing: current.kind === 'running' && current.isPausing });
    };
    state.value = { kind: 'running', run, isPausing: false };
    try {
      const ready = engine();
      if (!ready) throw new AppError('invalid-request', 'No model is loaded.');
      const from = checkpoint === null ? {} : { checkpoint: checkpoint.bytes };
      for await (const event of ready.trainSignatures({ ...wanted, ...from, signal: own.signal })) {
        if (attempt !== own) return;
        if (event.kind === 'checkpoint') checkpoint = event;
        if (event.kind === 'finished') {
          checkpoint = null;
          change({ kind: 'learned', run, maps: event.maps, use: { kind: 'unused' } });
          return;
        }
        run = runAfter(run, event);
        show();
      }
      throw new AppError('internal', 'Training ended without signatures.');
    } catch (error) {
      const fault = faultFrom(error);
      const isPaused = fault.code === 'aborted' && own.signal.aborted;
      if (isPaused) change({ kind: 'paused', run });
      else change({ kind: 'failed', run, fault, canResume: checkpoint !== null });
    }
  }

  return {
    state,
    async start(wanted) {
      wish = wanted;
      checkpoint = null;
      const { steps } = wanted;
      await learn(wanted, { steps, step: 0, losses: [], recalls: [], millisecondsPerStep: null });
    },
    pause() {
      const current = state.peek();
      if (current.kind !== 'running') return;
      state.value = { ...current, isPausing: true };
      attempt.abort();
    },
    async resume() {
      const current = state.peek();
      if (wish === null || (current.kind !== 'paused' && current.kind !== 'failed')) return;
      await learn(wish, upTo(current.run, checkpoint?.step ?? 0));
    },
    cancel() {
      attempt.abort();
      attempt = new AbortController();
      wish = null;
      checkpoint = null;
      state.value = { kind: 'none' };
    },
    async use() {
      const current = state.peek();
      const ready = engine();
      if (current.kind !== 'learned' || !ready) return;
      const own = attempt;
      const change = (use: LearnedUse): void => {
        if (attempt === own) state.value = { ...current, use };
      };
      change({ kind: 'placing' });
      try {
        change({ kind: 'used', kept: await ready.useSignatures(current.maps) });
        onUsed();
      } catch (error) {
        change({ kind: 'failed', fault: faultFrom(error) });
      }
    },
  };
}

function runAfter(run: LearningRun, event: Exclude<TrainEvent, { readonly kind: 'finished' }>): LearningRun {
  const { step } = event;
  switch (event.kind) {
    case 'step': {
      const losses = [...run.losses, { step, value: event.loss }];
      return { ...run, step, losses, millisecondsPerStep: event.milliseconds };
    }
    case 'recall':
      return { ...run, step, recalls: [...run.recalls, { step, value: event.recall.recall }] };
    case 'checkpoint':
      return { ...run, step };
    default:
      return event satisfies never;
  }
}

/** The run as it stood after `step`: what came later is done again. */
function upTo(run: LearningRun, step: number): LearningRun {
  const before = (points: readonly LearningPoint[]) => points.filter((point) => point.step <= step);
  // without a checkpoint training begins anew, and measures before its first step again
  const recalls = step === 0 ? [] : before(run.recalls);
  return { ...run, step, losses: before(run.losses), recalls };
}
