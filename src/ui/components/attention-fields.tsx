import { useId } from 'preact/hooks';
import {
  type AttentionSettings,
  attentionFields,
  selectedOneInChoices,
} from '../state/attention-settings.ts';
import { NumberField } from './number-field.tsx';

const modes: readonly (readonly [AttentionSettings['mode'], string])[] = [
  ['dense', 'Dense: every token attends to all tokens before it'],
  ['sparse', 'Sparse (HashAttention): learned signatures pick the tokens to attend to'],
];

/** Dense or sparse, and how sparse. Fields left empty stand for the value shown in them. */
export function AttentionFields(props: {
  readonly attention: AttentionSettings;
  readonly onChange: (attention: AttentionSettings) => void;
}) {
  const { attention } = props;
  const id = useId();
  const change = (fields: Partial<AttentionSettings>) => props.onChange({ ...attention, ...fields });
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
      <p class="hint">
        Holds from the next tokens on, also in an answer being written. A model without trained signatures
        takes random ones, which pick worse.
      </p>
      {attention.mode === 'sparse' && (
        <div class="fields">
          <div class="field">
            <label for={id}>Selected tokens</label>
            <select
              id={id}
              aria-describedby={`${id}-hint`}
              value={String(attention.selectedOneIn)}
              onChange={(event) => change({ selectedOneIn: Number(event.currentTarget.value) })}
            >
              {selectedOneInChoices.map((choice) => (
                <option key={choice} value={String(choice)}>
                  1/{choice} of the context
                </option>
              ))}
            </select>
            <p id={`${id}-hint`} class="hint">
              Besides sink and window
            </p>
          </div>
          {attentionFields.map((field) => (
            <NumberField
              key={field.name}
              field={field}
              value={attention[field.name]}
              standard={field.standard}
              onChange={(value) => change({ [field.name]: value })}
            />
          ))}
        </div>
      )}
    </>
  );
}
