import { useEffect } from 'preact/hooks';
import { useApp } from '../state/app-state.ts';
import type { LearningState } from '../state/learning-session.ts';

/** How learning stands while its dialog is closed; nothing once what was learned is in use. The browser asks before a page
 *  is left on which it would be lost. */
export function LearningStatus() {
  const { dialog, learning } = useApp();
  const state = learning.state.value;
  const text = statusText(state);
  const isUnsaved = text !== null && state.kind !== 'failed';
  useEffect(() => {
    if (!isUnsaved) return;
    const ask = (event: Event) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [isUnsaved]);
  if (dialog.value === 'learning' || text === null) return null;
  return (
    <section class="status" aria-label="Learning">
      <div class="loading-line">
        <p class="note">{text}</p>
        <div class="actions">
          {state.kind === 'running' && !state.isPausing && (
            <button type="button" class="quiet" aria-label="Pause learning" onClick={learning.pause}>
              Pause
            </button>
          )}
          {state.kind === 'paused' && (
            <button
              type="button"
              class="quiet"
              aria-label="Go on learning"
              onClick={() => void learning.resume()}
            >
              Go on
            </button>
          )}
          <button
            type="button"
            class="quiet"
            aria-label="Show learning"
            onClick={() => (dialog.value = 'learning')}
          >
            Show
          </button>
        </div>
      </div>
    </section>
  );
}

function statusText(state: LearningState): string | null {
  switch (state.kind) {
    case 'none':
      return null;
    case 'running':
      return (
        `Learning signatures, step ${state.run.step} of ${state.run.steps}: ` +
        (state.isPausing ? 'pausing after this step.' : 'answers come when it pauses or ends.')
      );
    case 'paused':
      return `Learning signatures: paused after step ${state.run.step} of ${state.run.steps}.`;
    case 'failed':
      return 'Learning signatures: stopped by a fault.';
    case 'learned':
      return state.use.kind === 'used' ? null : 'Signatures were learned; they are not in use yet.';
    default:
      return state satisfies never;
  }
}
