import { useSignal } from '@preact/signals';
import { type NumberRange, parseTyped } from '../state/number-range.ts';
import { TextField } from './text-field.tsx';

/** A number or nothing; what is not allowed is shown as such and not taken. */
export function NumberField(props: {
  readonly field: NumberRange;
  readonly value: number | null;
  /** What an empty field stands for, where it is known. */
  readonly standard: number | null;
  readonly onChange: (value: number | null) => void;
}) {
  const typed = useSignal(props.value === null ? '' : String(props.value));
  const { field } = props;
  const isWrong = parseTyped(field, typed.value) === undefined;
  const kind = field.step === 1 ? 'a whole number' : 'a number';
  return (
    <TextField
      label={field.label}
      inputMode={field.step === 1 ? 'numeric' : 'decimal'}
      placeholder={props.standard === null ? (field.empty ?? 'default') : String(props.standard)}
      hint={field.hint}
      problem={isWrong ? `Give ${kind} from ${field.min} to ${field.max}.` : undefined}
      value={typed.value}
      onInput={(text) => {
        typed.value = text;
        const value = parseTyped(field, text);
        if (value !== undefined) props.onChange(value);
      }}
    />
  );
}
