import { useId } from 'preact/hooks';
import type { WeightsOption } from '../../engine/index.ts';
import type { DraftFieldsProps } from './model-source-fields.tsx';
import { TextField } from './text-field.tsx';

const weightsLabels: Readonly<Record<WeightsOption, string>> = {
  q4: '4 bit (smallest)',
  q8: '8 bit',
  f16: '16 bit',
  stored: 'As stored in the files',
};

/** How the model is kept in memory, and for how much text. */
export function ModelOptionsFields({ draft, onChange, problemOf }: DraftFieldsProps) {
  const id = useId();
  return (
    <div class="fields">
      <div class="field">
        <label for={id}>Weights</label>
        <select
          id={id}
          aria-describedby={`${id}-hint`}
          value={draft.weights}
          onChange={(event) => onChange({ weights: event.currentTarget.value as WeightsOption })}
        >
          {Object.entries(weightsLabels).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
        <p id={`${id}-hint`} class="hint">
          For models that are not quantised already
        </p>
      </div>
      <TextField
        label="Context length"
        inputMode="numeric"
        placeholder="up to 8192"
        hint="Tokens to plan for; empty: as trained, but 8192 at most"
        value={draft.contextLength}
        problem={problemOf('contextLength')}
        onInput={(contextLength) => onChange({ contextLength })}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={draft.extendContext}
          onChange={(event) => onChange({ extendContext: event.currentTarget.checked })}
        />
        <span>
          Allow a context beyond the trained one (YaRN)
          <small>The model was not trained for it and may answer worse.</small>
        </span>
      </label>
    </div>
  );
}
