import { useEffect } from 'preact/hooks';
import { useApp } from '../state/app-state.ts';
import { signatureNotes } from '../state/attention-facts.ts';
import { LearnedSignatures } from './learned-signatures.tsx';
import { LearningForm } from './learning-form.tsx';
import { LearningProgress } from './learning-progress.tsx';
import { Modal } from './modal.tsx';
import { RemoveLearned } from './remove-learned.tsx';

/** Learning signatures for the loaded model: what from, how it goes, and what to do with them. Goes on while closed. */
export function LearningDialog({ onClose }: { readonly onClose: () => void }) {
  const { learning, model } = useApp();
  useEffect(() => void model.refreshFacts(), []);
  const current = model.state.value;
  const state = learning.state.value;
  return (
    <Modal title="Learn signatures" onClose={onClose}>
      <section>
        <p>
          Sparse attention picks tokens by signatures, short codes that are learned for one model. They are
          learned here, on this device; the text stays on it.
        </p>
        {signatureNotes(model.facts.value).map((note) => (
          <p key={note} class="hint">
            {note}
          </p>
        ))}
        <RemoveLearned />
      </section>
      {current.kind !== 'ready' ? (
        <p class="note">Load a model first: signatures are learned from its own queries and keys.</p>
      ) : state.kind === 'none' ? (
        <LearningForm plan={current.engine.plan} />
      ) : state.kind === 'learned' ? (
        <LearnedSignatures state={state} model={current.choice.label} />
      ) : (
        <LearningProgress state={state} />
      )}
    </Modal>
  );
}
