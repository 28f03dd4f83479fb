import { useApp } from '../state/app-state.ts';
import { formatDuration } from '../state/format.ts';
import type { LearningRun, LearningState } from '../state/learning-session.ts';
import { LearningPlots } from './learning-plots.tsx';

type Shown = Extract<LearningState, { readonly kind: 'running' | 'paused' | 'failed' }>;

/** How learning goes, with ways to pause and to end it. */
export function LearningProgress({ state }: { readonly state: Shown }) {
  const { learning } = useApp();
  const { run } = state;
  const isRunning = state.kind === 'running';
  // a text that is refused has nothing to show
  const isRefused = state.kind === 'failed' && run.recalls.length === 0;
  const canResume = state.kind === 'paused' || (state.kind === 'failed' && state.canResume);
  return (
    <section aria-label="Learning">
      <p class="note">
        <span role="status">{stateText(state)}</span> {!isRefused && stepText(run)}
      </p>
      {!isRefused && (
        <>
          <progress aria-label="Steps learned" value={run.step} max={run.steps} />
          <LearningPlots run={run} />
        </>
      )}
      {state.kind === 'failed' && (
        <p class="problem" role="alert">
          {state.fault.message}
        </p>
      )}
      <div class="actions">
        {isRunning && (
          <button type="button" class="plain" disabled={state.isPausing} onClick={learning.pause}>
            Pause
          </button>
        )}
        {canResume && (
          <button type="button" class="primary" onClick={() => void learning.resume()}>
            Go on
          </button>
        )}
        <button type="button" class="plain" onClick={learning.cancel}>
          {state.kind === 'failed' ? 'Change what to learn from' : 'Cancel'}
        </button>
      </div>
    </section>
  );
}

function stateText(state: Shown): string {
  switch (state.kind) {
    case 'running':
      if (state.isPausing) return 'Pausing after this step.';
      return state.run.recalls.length === 0 ? 'Reading the text and compiling.' : 'Learning.';
    case 'paused':
      return 'Paused. What was learned so far is kept while this page is open.';
    case 'failed':
      return 'Learning stopped.';
    default:
      return state satisfies never;
  }
}

function stepText({ step, steps, millisecondsPerStep }: LearningRun): string {
  const done = `Step ${step} of ${steps}`;
  if (millisecondsPerStep === null) return `${done}.`;
  const left = formatDuration((steps - step) * millisecondsPerStep);
  return `${done}; ${formatDuration(millisecondsPerStep)} a step, about ${left} left.`;
}
