import { useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import type { MemoryPlan } from '../../engine/index.ts';
import { useApp } from '../state/app-state.ts';
import { faultFrom } from '../state/fault.ts';
import { learningFields, lengthNote, readSample, readTexts, sampleText } from '../state/learning-form.ts';
import { NumberField } from './number-field.tsx';

/** What to learn from, and how much. Fields left empty stand for the value shown in them. */
export function LearningForm({ plan }: { readonly plan: MemoryPlan }) {
  const { learning } = useApp();
  const source = useSignal<'sample' | 'files'>('sample');
  const files = useSignal<readonly File[]>([]);
  const steps = useSignal<number | null>(null);
  const longest = useSignal<number | null>(null);
  const problem = useSignal<string | null>(null);
  const fields = learningFields(plan);
  const wanted = {
    steps: steps.value ?? fields.standard.steps,
    longest: longest.value ?? fields.standard.longest,
  };
  const note = lengthNote(wanted.longest, plan);

  async function start(): Promise<void> {
    problem.value = null;
    try {
      const isSample = source.value === 'sample';
      const text = isSample ? await readSample(document.baseURI) : await readTexts(files.value);
      void learning.start({ text, ...wanted });
    } catch (error) {
      problem.value = faultFrom(error).message;
    }
  }

  return (
    <form
      class="learning-form"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <fieldset class="choices">
        <legend>Text</legend>
        <label>
          <input
            type="radio"
            name="learning-text"
            checked={source.value === 'sample'}
            onChange={() => (source.value = 'sample')}
          />
          <span>The sample: {sampleText.title}</span>
        </label>
        <label>
          <input
            type="radio"
            name="learning-text"
            checked={source.value === 'files'}
            onChange={() => (source.value = 'files')}
          />
          <span>My own: text of the kind that will be talked about, a book or more</span>
        </label>
      </fieldset>
      {source.value === 'files' && <TextFiles onChange={(chosen) => (files.value = chosen)} />}
      <div class="fields">
        <NumberField
          field={fields.steps}
          value={null}
          standard={fields.standard.steps}
          onChange={(value) => (steps.value = value)}
        />
        <NumberField
          field={fields.longest}
          value={null}
          standard={fields.standard.longest}
          onChange={(value) => (longest.value = value)}
        />
      </div>
      {note !== null && <p class="hint">{note}</p>}
      <p class="hint">
        The text must have five times as many tokens as the longest sequence. Answers wait while signatures
        are learned, and come when learning pauses or ends.
      </p>
      {problem.value !== null && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
      <div class="actions">
        <button type="submit" class="primary">
          Learn
        </button>
      </div>
    </form>
  );
}

function TextFiles({ onChange }: { readonly onChange: (files: readonly File[]) => void }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>Text files</label>
      <input
        id={id}
        type="file"
        multiple
        accept=".txt,.md,.markdown,text/plain,text/markdown"
        onChange={(event) => onChange([...(event.currentTarget.files ?? [])])}
      />
    </div>
  );
}
