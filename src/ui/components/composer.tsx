import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { useApp } from '../state/app-state.ts';
import type { ModelState } from '../state/model-session.ts';
import { Icon } from './icon.tsx';

/** Where questions are written. Enter sends, Shift+Enter begins a line; what is sent while the model loads is asked as soon
 *  as it is ready. What is typed survives everything but sending. */
export function Composer() {
  const { chat, model } = useApp();
  const text = useSignal('');
  const field = useRef<HTMLTextAreaElement>(null);
  const isAnswering = chat.isAnswering.value;
  const { kind } = model.state.value;
  const isWaiting = useSignal(false);
  const canSend = (kind === 'ready' || kind === 'loading') && !isAnswering && text.value.trim() !== '';

  // On a touch screen the focus would open the keyboard over the page.
  const isEmpty = chat.conversation.value.turns.length === 0;
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) field.current?.focus();
  }, [isEmpty]);

  useEffect(() => {
    if (kind === 'loading' || !isWaiting.value) return;
    isWaiting.value = false;
    // the focus stays: it may be somewhere else by now
    if (kind === 'ready' && !chat.isAnswering.value) ask();
  }, [kind]);

  function stop(): void {
    isWaiting.value = false;
    chat.stop();
    field.current?.focus();
  }

  function send(): void {
    if (!canSend) return;
    if (kind === 'loading') isWaiting.value = true;
    else ask();
    field.current?.focus();
  }

  function ask(): void {
    const question = text.value.trim();
    text.value = '';
    isWaiting.value = false; // an effect that is still to run would ask again
    void chat.ask(question);
  }

  function onKeyDown(event: KeyboardEvent): void {
    // Enter also confirms an input method's suggestion: that one is not ours.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  }

  return (
    <>
      <form
        class="composer"
        aria-label="Your question"
        data-testid="composer"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <textarea
          ref={field}
          rows={1}
          aria-label="Question"
          placeholder={placeholders[kind]}
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value;
            isWaiting.value = false; // half a sentence is not sent
          }}
          onKeyDown={onKeyDown}
        />
        {isAnswering || isWaiting.value ? (
          <StopButton label={isAnswering ? 'Stop' : 'Do not send yet'} onClick={stop} />
        ) : (
          <SendButton isDisabled={!canSend} />
        )}
      </form>
      <p class="note" role="status">
        {isWaiting.value && 'Sent as soon as the model is ready.'}
      </p>
    </>
  );
}

// Two components, hence two elements: one that began to send under a click would send.

function StopButton({ label, onClick }: { readonly label: string; readonly onClick: () => void }) {
  return (
    <button type="button" class="primary round" aria-label={label} onClick={onClick}>
      <Icon name="stop" />
    </button>
  );
}

function SendButton({ isDisabled }: { readonly isDisabled: boolean }) {
  return (
    <button type="submit" class="primary round" aria-label="Send" disabled={isDisabled}>
      <Icon name="send" />
    </button>
  );
}

const placeholders: Readonly<Record<ModelState['kind'], string>> = {
  none: 'Choose a model to ask something',
  loading: 'You can write while the model loads',
  ready: 'Ask something',
  failed: 'Load a model to ask something',
};
