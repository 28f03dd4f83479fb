import { useSignal } from '@preact/signals';
import {
  parseSampling,
  type SamplingField,
  type SamplingSettings,
  samplingFields,
} from '../state/settings.ts';
import { TextField } from './text-field.tsx';

/** One field per sampling setting; a value that is not allowed is shown as such and not taken. */
export function SamplingFields(props: {
  readonly sampling: SamplingSettings;
  /** What empty fields stand for, where it is known. */
  readonly defaults: SamplingSettings;
  readonly onChange: (sampling: SamplingSettings) => void;
}) {
  return (
    <div class="fields">
      {samplingFields.map((field) => (
        <NumberField
          key={field.name}
          field={field}
          value={props.sampling[field.name]}
          standard={props.defaults[field.name]}
          onChange={(value) => props.onChange({ ...props.sampling, [field.name]: value })}
        />
      ))}
    </div>
  );
}

function NumberField(props: {
  readonly field: SamplingField;
  readonly value: number | null;
  readonly standard: number | null;
  readonly onChange: (value: number | null) => void;
}) {
  const typed = useSignal(props.value === null ? '' : String(props.value));
  const { field } = props;
  const isWrong = parseSampling(field, typed.value) === undefined;
  const kind = field.step === 1 ? 'a whole number' : 'a number';
  return (
    <TextField
      label={field.label}
      inputMode={field.step === 1 ? 'numeric' : 'decimal'}
      placeholder={props.standard === null ? 'default' : String(props.standard)}
      hint={field.hint}
      problem={isWrong ? `Give ${kind} from ${field.min} to ${field.max}.` : undefined}
      value={typed.value}
      onInput={(text) => {
        typed.value = text;
        const value = parseSampling(field, text);
        if (value !== undefined) props.onChange(value);
      }}
    />
  );
}
