/** What is read out to screen readers: beginnings and ends, never single tokens. Faults announce themselves as alerts. */
import { effect } from '@preact/signals';
import type { AppState } from './app-state.ts';
import { withoutThoughts } from './thoughts.ts';

/** Announces each answer when it begins and, whole, when it ends. Returns the way to stop. */
export function announceAnswers({ announce, chat }: AppState): () => void {
  let wasAnswering = false;
  return effect(() => {
    const isAnswering = chat.isAnswering.value;
    if (isAnswering === wasAnswering) return;
    wasAnswering = isAnswering;
    const answer = chat.conversation.peek().turns.at(-1)?.answer;
    if (isAnswering) announce('Answering.');
    else if (answer?.state.kind === 'finished') announce(`Answer: ${withoutThoughts(answer.text)}`);
    else if (answer?.state.kind === 'stopped') announce(`Stopped after: ${withoutThoughts(answer.text)}`);
  });
}

/** Announces why loading has to wait, when a model is ready, and when it comes back after its device was lost. */
export function announceModel({ announce, model }: AppState): () => void {
  let wasRecovering = false;
  const stopReady = effect(() => {
    const state = model.state.value;
    if (state.kind === 'ready') announce(`${state.engine.model.name} is ready.`);
  });
  const stopWaiting = effect(() => {
    const reason = model.waiting.value;
    if (reason !== null) announce(reason);
  });
  const stopRecovering = effect(() => {
    const isRecovering = model.recovering.value !== null;
    if (wasRecovering && !isRecovering && model.state.peek().kind === 'ready') {
      announce('The engine is back.');
    }
    wasRecovering = isRecovering;
  });
  return () => {
    stopReady();
    stopWaiting();
    stopRecovering();
  };
}
