import { Component, type ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useApp } from '../state/app-state.ts';
import type { Turn } from '../state/conversation.ts';
import { AnswerView } from './answer.tsx';
import { Icon } from './icon.tsx';
import { Question } from './question.tsx';
import { useStickToEnd } from './use-stick-to-end.ts';

/** The conversation, following its end until the reader scrolls away. children: shown above it. */
export function Transcript({ children }: { readonly children?: ComponentChildren }) {
  const { chat } = useApp();
  const { turns } = chat.conversation.value;
  const lastId = turns.at(-1)?.id;
  const scroller = useRef<HTMLElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { isAtEnd, goToEnd } = useStickToEnd(scroller, content, lastId);
  // A button that asked anew is gone with the turn it stood in: the focus stays in the conversation.
  useEffect(() => {
    if (lastId !== undefined && document.activeElement === document.body) {
      scroller.current?.focus({ preventScroll: true });
    }
  }, [lastId]);

  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the conversation scrolls, which needs the keyboard too
    <main ref={scroller} class="transcript" tabIndex={0} aria-label="Conversation">
      <div ref={content} class="column">
        {children}
        <ol data-testid="message-list">
          {turns.map((turn, index) => (
            <TurnView key={turn.id} turn={turn} isLast={index === turns.length - 1} />
          ))}
        </ol>
      </div>
      {!isAtEnd && (
        <button type="button" class="plain to-end" onClick={goToEnd}>
          <Icon name="down" />
          <span>Latest</span>
        </button>
      )}
    </main>
  );
}

interface TurnProps {
  readonly turn: Turn;
  readonly isLast: boolean;
}

/** Turns are immutable: an unchanged one is not rendered again while the last one streams. */
class TurnView extends Component<TurnProps> {
  override shouldComponentUpdate(next: TurnProps): boolean {
    return next.turn !== this.props.turn || next.isLast !== this.props.isLast;
  }

  override render({ turn, isLast }: TurnProps): ComponentChildren {
    return (
      <li>
        <Question turn={turn} />
        <AnswerView answer={turn.answer} isLast={isLast} />
      </li>
    );
  }
}
