import { useSignal } from '@preact/signals';
import { useApp } from '../state/app-state.ts';
import { faultFrom } from '../state/fault.ts';

/** Goes back to the model's own signatures. Nothing while no learned ones are known to be in use or left in storage. */
export function RemoveLearned() {
  const { announce, model } = useApp();
  const problem = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const current = model.state.value;
  const isNeeded = model.facts.value?.maps === 'learned' || isBusy.value || problem.value !== null;
  if (current.kind !== 'ready' || !isNeeded) return null;
  const { engine } = current;

  async function remove(): Promise<void> {
    isBusy.value = true;
    problem.value = null;
    try {
      const kept = await engine.useSignatures(null);
      if (kept.kind === 'browser') announce('Learned signatures removed.');
      else
        problem.value = `They are no longer in use, but could not be removed from storage (${kept.reason}): try again, or they may return when the model is loaded next.`;
      await model.refreshFacts();
    } catch (error) {
      problem.value = faultFrom(error).message;
    }
    isBusy.value = false;
  }

  return (
    <div class="actions">
      <button type="button" class="plain" disabled={isBusy.value} onClick={() => void remove()}>
        Remove learned signatures
      </button>
      {problem.value !== null && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
    </div>
  );
}
