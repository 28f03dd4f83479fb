import { useApp } from '../state/app-state.ts';
import type { ModelState } from '../state/model-session.ts';
import { Icon } from './icon.tsx';

/** The page's name, the model in use, and the doors to everything else. */
export function Header() {
  const { announce, chat, dialog, model } = useApp();
  const state = model.state.value;
  const isEmpty = chat.conversation.value.turns.length === 0;
  const newChat = () => {
    chat.clear();
    announce('New chat.');
  };
  return (
    <header class="bar">
      <h1>Pivotal</h1>
      <button
        type="button"
        class="model-button"
        aria-haspopup="dialog"
        aria-label={`Model: ${modelName(state)}. Choose another`}
        onClick={() => {
          dialog.value = 'model';
        }}
      >
        <span class={state.kind === 'loading' ? 'dot pulse' : 'dot'} data-state={state.kind} />
        <span class="model-name">{modelName(state)}</span>
        <Icon name="chevron" />
      </button>
      <nav aria-label="Page">
        <button type="button" class="quiet" aria-label="New chat" disabled={isEmpty} onClick={newChat}>
          <Icon name="plus" />
          <span>New chat</span>
        </button>
        <button
          type="button"
          class="quiet"
          aria-label="Settings"
          aria-haspopup="dialog"
          onClick={() => {
            dialog.value = 'settings';
          }}
        >
          <Icon name="sliders" />
          <span>Settings</span>
        </button>
      </nav>
    </header>
  );
}

function modelName(state: ModelState): string {
  if (state.kind === 'ready') return state.engine.model.name;
  return state.kind === 'none' ? 'No model' : state.choice.label;
}
