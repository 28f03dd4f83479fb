import { useApp } from '../state/app-state.ts';
import { type Answer, isSettled } from '../state/conversation.ts';
import { answerAdvice } from '../state/fault.ts';
import { answerSummary } from '../state/figures.ts';
import { formatCount } from '../state/format.ts';
import { withoutThoughts } from '../state/thoughts.ts';
import { AnswerText } from './answer-text.tsx';
import { CopyButton } from './copy-button.tsx';
import { FaultNotice } from './fault-notice.tsx';
import { Icon } from './icon.tsx';

/** An answer while and after it is written. isLast: it may be regenerated. */
export function AnswerView({ answer, isLast }: { readonly answer: Answer; readonly isLast: boolean }) {
  const { chat } = useApp();
  const { state } = answer;
  const settled = isSettled(answer);
  const isLookable = isLast && answer.live !== null;
  const regenerate = () => void chat.regenerate();
  return (
    <div class="answer" data-state={state.kind} aria-busy={!settled}>
      <h2 class="visually-hidden">Answer</h2>
      {(state.kind === 'waiting' || state.kind === 'reading') && <Reading state={state} />}
      {answer.text !== '' && <AnswerText text={answer.text} isWriting={!settled} />}
      {state.kind === 'finished' && answer.text === '' && (
        <p class="note">The model ended its answer at once.</p>
      )}
      {state.kind === 'finished' && state.reason === 'length' && (
        <p class="note">Ended at the longest answer or the end of the context.</p>
      )}
      {state.kind === 'stopped' && <p class="note">Stopped.</p>}
      {state.kind === 'failed' && (
        <FaultNotice fault={state.fault} adviceFor={answerAdvice} onRetry={regenerate} />
      )}
      {(settled || isLookable) && (
        <footer>
          {settled && answer.text !== '' && <CopyButton text={withoutThoughts(answer.text)} what="answer" />}
          {settled && isLast && <RegenerateButton onClick={regenerate} />}
          {isLookable && <LookupButton />}
          {settled && <span class="summary">{answerSummary(answer)}</span>}
        </footer>
      )}
    </div>
  );
}

function RegenerateButton({ onClick }: { readonly onClick: () => void }) {
  const { model } = useApp();
  return (
    <button
      type="button"
      class="quiet"
      aria-label="Regenerate answer"
      disabled={model.state.value.kind !== 'ready'}
      onClick={onClick}
    >
      <Icon name="redo" />
      <span>Regenerate</span>
    </button>
  );
}

function LookupButton() {
  const { dialog, model } = useApp();
  return (
    <button
      type="button"
      class="quiet"
      aria-label="What was looked up"
      aria-haspopup="dialog"
      disabled={model.state.value.kind !== 'ready'}
      onClick={() => {
        dialog.value = 'lookup';
      }}
    >
      <Icon name="eye" />
      <span>Looked up</span>
    </button>
  );
}

function Reading({ state }: { readonly state: Answer['state'] & { kind: 'waiting' | 'reading' } }) {
  if (state.kind === 'waiting') return <p class="note pulse">Waiting for the engine</p>;
  return (
    <div class="reading">
      <progress
        aria-label="Reading the conversation"
        value={state.doneTokens}
        max={Math.max(1, state.totalTokens)}
      />
      <p class="note">
        Reading {formatCount(state.doneTokens)} of {formatCount(state.totalTokens)} tokens
      </p>
    </div>
  );
}
