import { useSignal } from '@preact/signals';
import { formatCount } from '../state/format.ts';
import { isLongQuestion, lastLine } from '../state/long-question.ts';

/** A question's text; of a long one, a pasted page with a line below it, beginning and end unless more is wanted. */
export function QuestionText({ text }: { readonly text: string }) {
  const isWhole = useSignal(false);
  if (!isLongQuestion(text)) return <p>{text}</p>;
  return (
    <div class={isWhole.value ? 'long-question whole' : 'long-question'}>
      <p>{text}</p>
      {!isWhole.value && (
        <p class="question-end" aria-hidden="true">
          {lastLine(text)}
        </p>
      )}
      <button
        type="button"
        class="quiet"
        aria-expanded={isWhole.value}
        onClick={() => {
          isWhole.value = !isWhole.value;
        }}
      >
        {isWhole.value ? 'Show less' : `Show all ${formatCount(text.length)} characters`}
      </button>
    </div>
  );
}
