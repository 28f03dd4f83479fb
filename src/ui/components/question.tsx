import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { useApp } from '../state/app-state.ts';
import type { Turn } from '../state/conversation.ts';
import { Icon } from './icon.tsx';
import { QuestionText } from './question-text.tsx';

/** A question as asked, which can be edited: the conversation is cut there and answered anew. */
export function Question({ turn }: { readonly turn: Turn }) {
  const isEditing = useSignal(false);
  const button = useRef<HTMLButtonElement>(null);
  const wasEditing = useRef(false);

  useLayoutEffect(() => {
    if (wasEditing.current && !isEditing.value) button.current?.focus();
    wasEditing.current = isEditing.value;
  }, [isEditing.value]);

  if (isEditing.value) {
    return (
      <EditQuestion
        turn={turn}
        onClose={() => {
          isEditing.value = false;
        }}
      />
    );
  }
  return (
    <div class="question">
      <h2 class="visually-hidden">You asked</h2>
      <QuestionText text={turn.question} />
      <button
        ref={button}
        type="button"
        class="quiet"
        aria-label="Edit question"
        onClick={() => {
          isEditing.value = true;
        }}
      >
        <Icon name="edit" />
        <span>Edit</span>
      </button>
    </div>
  );
}

function EditQuestion({ turn, onClose }: { readonly turn: Turn; readonly onClose: () => void }) {
  const { chat, model } = useApp();
  const text = useSignal(turn.question);
  const field = useRef<HTMLTextAreaElement>(null);
  const canAsk = text.value.trim() !== '' && model.state.value.kind === 'ready';

  useLayoutEffect(() => {
    const element = field.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
  }, []);

  function askAgain(): void {
    if (!canAsk) return;
    onClose();
    void chat.edit(turn.id, text.value.trim());
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.isComposing) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      onClose();
    }
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      askAgain();
    }
  }

  return (
    <form
      class="question editing"
      onSubmit={(event) => {
        event.preventDefault();
        askAgain();
      }}
    >
      <textarea
        ref={field}
        rows={2}
        aria-label="Edited question"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
        onKeyDown={onKeyDown}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={!canAsk}>
          Ask again
        </button>
        <button type="button" class="plain" onClick={onClose}>
          Cancel
        </button>
        <span class="hint">The conversation continues from here.</span>
      </div>
    </form>
  );
}
