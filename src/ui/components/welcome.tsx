import { useApp } from '../state/app-state.ts';
import { PlanTable } from './plan-table.tsx';

/** What the page is, and what the model at hand takes, while there is no conversation. */
export function Welcome() {
  const { model } = useApp();
  const state = model.state.value;
  const plan = state.kind === 'ready' ? state.engine.plan : state.kind === 'loading' ? state.plan : null;
  return (
    <section class="welcome" aria-labelledby="welcome-title">
      <h2 id="welcome-title">Ask a language model that runs inside this page.</h2>
      <p>
        The model’s files come to your device and are computed{' '}
        {plan?.device.isCpu
          ? 'on it, slowly, as it offers no graphics processor'
          : 'by its graphics processor'}
        . Questions and answers never leave it.
      </p>
      {plan && <PlanTable plan={plan} />}
    </section>
  );
}
