import { useApp } from '../state/app-state.ts';

/** What is being learned, or was learned and not used yet, while its dialog is closed; nothing else. */
export function LearningStatus() {
  const { dialog, learning } = useApp();
  const state = learning.state.value;
  const isLearned = state.kind === 'learned' && state.use.kind === 'unused';
  if (dialog.value === 'learning' || !(isLearned || state.kind === 'running')) return null;
  const { step, steps } = state.run;
  return (
    <section class="status" aria-label="Learning">
      <div class="loading-line">
        <p class="note">
          {isLearned
            ? 'Signatures were learned; they are not in use yet.'
            : `Learning signatures, step ${step} of ${steps}: answers come when it pauses or ends.`}
        </p>
        <button type="button" class="quiet" onClick={() => (dialog.value = 'learning')}>
          Show
        </button>
      </div>
    </section>
  );
}
