import { useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import type { MemoryPlan } from '../../engine/index.ts';
import { useApp } from '../state/app-state.ts';
import { faultFrom } from '../state/fault.ts';
import {
  type LearningDraft,
  learningFields,
  lengthNote,
  readSample,
  readTexts,
  sampleText,
} from '../state/learning-form.ts';
import { NumberField } from './number-field.tsx';

/** What to learn from, and how much. Fields left empty stand for the value shown in them. */
export function LearningForm({ plan }: { readonly plan: MemoryPlan }) {
  const { learning, learningDraft } = useApp();
  const { source, files, steps, longest } = learningDraft.value;
  const change = (changes: Partial<LearningDraft>) => {
    learningDraft.value = { ...learningDraft.value, ...changes };
  };
  const problem = useSignal<string | null>(null);
  const fields = learningFields(plan);
  const wanted = {
    steps: steps ?? fields.standard.steps,
    longest: longest ?? fields.standard.longest,
  };
  const note = lengthNote(wanted.longest, plan);

  async function start(): Promise<void> {
    problem.value = null;
    try {
      const isSample = source === 'sample';
      const text = isSample ? await readSample(document.baseURI) : await readTexts(files);
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
        const wrong = event.currentTarget.querySelector<HTMLInputElement>('[aria-invalid=true]');
        if (wrong) wrong.focus();
        else void start();
      }}
    >
      <fieldset class="choices">
        <legend>Text</legend>
        <label>
          <input
            type="radio"
            name="learning-text"
            checked={source === 'sample'}
            onChange={() => change({ source: 'sample' })}
          />
          <span>The sample: {sampleText.title}</span>
        </label>
        <label>
          <input
            type="radio"
            name="learning-text"
            checked={source === 'files'}
            onChange={() => change({ source: 'files' })}
          />
          <span>My own: text of the kind that will be talked about, a book or more</span>
        </label>
      </fieldset>
      {source === 'files' && <TextFiles files={files} onChange={(chosen) => change({ files: chosen })} />}
      <div class="fields">
        <NumberField
          field={fields.steps}
          value={steps}
          standard={fields.standard.steps}
          onChange={(value) => change({ steps: value })}
        />
        <NumberField
          field={fields.longest}
          value={longest}
          standard={fields.standard.longest}
          onChange={(value) => change({ longest: value })}
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

function TextFiles(props: {
  readonly files: readonly File[];
  readonly onChange: (files: readonly File[]) => void;
}) {
  const { files, onChange } = props;
  const id = useId();
  return (
    <div class="field">
      <label for={id}>Text files</label>
      <input
        id={id}
        type="file"
        multiple
        accept=".txt,.md,.markdown,text/plain,text/markdown"
        ref={(input) => {
          if (input?.files?.length === 0 && files.length > 0) input.files = fileList(files);
        }}
        onChange={(event) => onChange([...(event.currentTarget.files ?? [])])}
      />
    </div>
  );
}

/** The list an input shows when it is opened again with files chosen before. */
function fileList(files: readonly File[]): FileList {
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  return transfer.files;
}
