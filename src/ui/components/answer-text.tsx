import { Markdown } from '../markdown/markdown.tsx';
import { splitThoughts } from '../state/thoughts.ts';

/** An answer's words; thoughts before it are folded away, and can be opened while they come. */
export function AnswerText(props: { readonly text: string; readonly isWriting: boolean }) {
  const { thoughts, isThinking, answer } = splitThoughts(props.text);
  const isUnderWay = isThinking && props.isWriting;
  return (
    <>
      {(thoughts !== '' || isUnderWay) && (
        <details class="details thoughts">
          <summary class={isUnderWay ? 'pulse' : ''}>{isUnderWay ? 'Thinking' : 'Thoughts'}</summary>
          <Markdown text={thoughts} />
        </details>
      )}
      {answer !== '' && <Markdown text={answer} />}
    </>
  );
}
