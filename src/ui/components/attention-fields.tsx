import { useEffect, useId } from 'preact/hooks';
import {
  type AttentionMode,
  type AttentionSettings,
  selectedField,
  selectedOneInChoices,
} from '../state/attention-settings.ts';
import { AttentionDetails } from './attention-details.tsx';
import { NumberField } from './number-field.tsx';

/** Dense or sparse, by itself or by choice, and how sparse. Fields left empty stand for the value shown in them. */
export function AttentionFields(props: {
  readonly attention: AttentionSettings;
  /** What automatic means with the loaded model on this device. */
  readonly automatic: string;
  /** Of the loaded model's signatures; empty while nothing is known. */
  readonly notes: readonly string[];
  readonly onChange: (attention: AttentionSettings) => void;
  /** Someone wants to know more: sparse was chosen, or its details opened. */
  readonly onDetails: () => void;
}) {
  const { attention, automatic, notes } = props;
  useEffect(() => {
    if (attention.mode === 'sparse') props.onDetails();
  }, [attention.mode]);
  const change = (fields: Partial<AttentionSettings>) => props.onChange({ ...attention, ...fields });
  const modes: readonly (readonly [AttentionMode, string])[] = [
    ['automatic', `Automatic: ${automatic}`],
    ['dense', 'Dense: every token attends to all tokens before it'],
    ['sparse', 'Sparse (HashAttention): learned signatures pick the tokens to attend to'],
  ];
  return (
    <>
      <fieldset class="choices">
        <legend>Attention</legend>
        {modes.map(([mode, label]) => (
          <label key={mode}>
            <input
              type="radio"
              name="attention"
              value={mode}
              checked={attention.mode === mode}
              onChange={() => change({ mode })}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <p class="hint">Holds from the next tokens on, also in an answer being written.</p>
      {notes.map((note) => (
        <p key={note} class="hint">
          {note}
        </p>
      ))}
      {attention.mode !== 'dense' && (
        <>
          {attention.method !== 'streaming' && <BudgetFields attention={attention} onChange={change} />}
          <AttentionDetails attention={attention} onChange={change} onOpen={props.onDetails} />
        </>
      )}
    </>
  );
}

function BudgetFields(props: {
  readonly attention: AttentionSettings;
  readonly onChange: (fields: Partial<AttentionSettings>) => void;
}) {
  const { attention, onChange } = props;
  const id = useId();
  return (
    <div class="fields">
      <div class="field">
        <label for={id}>Selected tokens</label>
        <select
          id={id}
          aria-describedby={`${id}-hint`}
          value={String(attention.selectedOneIn)}
          onChange={(event) => onChange({ selectedOneIn: Number(event.currentTarget.value) })}
        >
          {selectedOneInChoices.map((choice) => (
            <option key={choice} value={String(choice)}>
              {choice === 0 ? 'A fixed number' : `1/${choice} of the context`}
            </option>
          ))}
        </select>
        <p id={`${id}-hint`} class="hint">
          Besides the first and the last tokens
        </p>
      </div>
      {attention.selectedOneIn === 0 && (
        <NumberField
          field={selectedField}
          value={attention.selected}
          standard={selectedField.standard}
          onChange={(selected) => onChange({ selected })}
        />
      )}
    </div>
  );
}
