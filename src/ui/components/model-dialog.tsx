import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { MemoryPlan } from '../../engine/index.ts';
import { useApp } from '../state/app-state.ts';
import { type Fault, faultFrom, loadAdvice } from '../state/fault.ts';
import {
  choiceFromDraft,
  type DraftField,
  type ModelChoice,
  type ModelDraft,
} from '../state/model-choice.ts';
import { Modal } from './modal.tsx';
import { ModelOptionsFields } from './model-options-fields.tsx';
import { ModelSourceFields } from './model-source-fields.tsx';
import { PlanTable } from './plan-table.tsx';

type Check =
  | { readonly kind: 'none' }
  | { readonly kind: 'invalid'; readonly field: DraftField; readonly problem: string }
  | { readonly kind: 'checking' }
  | { readonly kind: 'planned'; readonly choice: ModelChoice; readonly plan: MemoryPlan }
  | { readonly kind: 'failed'; readonly fault: Fault };

/** Chooses a model in two steps: see what it takes on this device, then load it. */
export function ModelDialog({ onClose }: { readonly onClose: () => void }) {
  const { config, draft, model } = useApp();
  const check = useSignal<Check>({ kind: 'none' });
  const checking = useRef(new AbortController());
  useEffect(() => () => checking.current.abort(), []);
  const result = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (check.value.kind !== 'none') result.current?.scrollIntoView({ block: 'nearest' });
  }, [check.value]);

  function change(fields: Partial<ModelDraft>): void {
    checking.current.abort();
    draft.value = { ...draft.value, ...fields };
    check.value = { kind: 'none' };
  }

  async function makePlan(): Promise<void> {
    const draftResult = choiceFromDraft(draft.value, config.defaultModel, document.baseURI);
    if (!draftResult.ok) {
      check.value = { kind: 'invalid', field: draftResult.field, problem: draftResult.problem };
      return;
    }
    const attempt = new AbortController();
    checking.current = attempt;
    check.value = { kind: 'checking' };
    try {
      const plan = await model.plan(draftResult.choice, attempt.signal);
      if (!attempt.signal.aborted) check.value = { kind: 'planned', choice: draftResult.choice, plan };
    } catch (error) {
      if (!attempt.signal.aborted) check.value = { kind: 'failed', fault: faultFrom(error) };
    }
  }

  function submit(event: Event): void {
    event.preventDefault();
    const state = check.value;
    if (state.kind === 'planned' && state.plan.problems.length === 0) {
      onClose();
      void model.load(state.choice);
    } else if (state.kind !== 'checking') {
      void makePlan();
    }
  }

  const state = check.value;
  const problemOf = (field: DraftField) =>
    state.kind === 'invalid' && state.field === field ? state.problem : undefined;
  const canLoad = state.kind === 'planned' && state.plan.problems.length === 0;
  return (
    <Modal title="Choose a model" onClose={onClose}>
      <form class="model-form" onSubmit={submit}>
        <ModelSourceFields draft={draft.value} onChange={change} problemOf={problemOf} />
        <ModelOptionsFields draft={draft.value} onChange={change} problemOf={problemOf} />
        <div ref={result} class="check-result" aria-live="polite">
          {state.kind === 'planned' && <PlanTable plan={state.plan} />}
          {state.kind === 'failed' && (
            <section class="fault" data-code={state.fault.code}>
              <h3>{loadAdvice(state.fault.code).title}</h3>
              <p class="fault-message">{state.fault.message}</p>
              <p>{loadAdvice(state.fault.code).advice}</p>
            </section>
          )}
        </div>
        <div class="actions">
          <button type="submit" class="primary" disabled={state.kind === 'checking'}>
            {canLoad ? 'Load' : state.kind === 'checking' ? 'Checking' : 'Check what it takes'}
          </button>
          <span class="hint">
            {canLoad
              ? 'Replaces the model in use. The conversation stays.'
              : state.kind === 'checking'
                ? 'A host that does not answer is asked again for some seconds.'
                : 'Reads the description only; nothing large is downloaded yet.'}
          </span>
        </div>
      </form>
    </Modal>
  );
}
