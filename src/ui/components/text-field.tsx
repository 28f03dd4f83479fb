import { useId } from 'preact/hooks';

/** A labelled one-line field with a hint and, when it needs correcting, what is wrong. */
export function TextField(props: {
  readonly label: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly hint?: string;
  readonly problem?: string | undefined;
  readonly placeholder?: string;
  /** Hides what is typed. */
  readonly isSecret?: boolean;
  readonly inputMode?: 'numeric' | 'decimal' | 'url';
}) {
  const id = useId();
  const note = props.problem ?? props.hint;
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <input
        id={id}
        {...(props.isSecret ? { type: 'password' as const } : { type: 'text' as const })}
        {...(props.inputMode ? { inputMode: props.inputMode } : {})}
        {...(note === undefined ? {} : { 'aria-describedby': `${id}-note` })}
        aria-invalid={props.problem !== undefined}
        placeholder={props.placeholder ?? ''}
        value={props.value}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => props.onInput(event.currentTarget.value)}
      />
      {note !== undefined && (
        <p id={`${id}-note`} class={props.problem === undefined ? 'hint' : 'problem'}>
          {note}
        </p>
      )}
    </div>
  );
}
