import { useSignal } from '@preact/signals';
import { useApp } from '../state/app-state.ts';
import { faultFrom } from '../state/fault.ts';

/** Goes back to the model's own signatures. Nothing while no learned ones are known to be in use. */
export function RemoveLearned() {
  const { announce, model } = useApp();
  const problem = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const current = model.state.value;
  if (current.kind !== 'ready' || model.facts.value?.maps !== 'learned') return null;
  const { engine } = current;

  async function remove(): Promise<void> {
    isBusy.value = true;
    problem.value = null;
    try {
      await engine.useSignatures(null);
      await model.refreshFacts();
      announce('Learned signatures removed.');
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
