import type { AppErrorCode } from '../../engine/index.ts';
import { useApp } from '../state/app-state.ts';
import type { Fault, FaultAction, FaultAdvice } from '../state/fault.ts';

/** A fault with what happened, where, and what to do; one button per remedy.
 *  onRetry: what "the same again" means here. */
export function FaultNotice(props: {
  readonly fault: Fault;
  readonly adviceFor: (code: AppErrorCode) => FaultAdvice;
  readonly onRetry: () => void;
}) {
  const app = useApp();
  const { title, advice, actions } = props.adviceFor(props.fault.code);

  function act(action: FaultAction): void {
    switch (action) {
      case 'retry':
        props.onRetry();
        return;
      case 'choose-model':
        app.dialog.value = 'model';
        return;
      case 'reload-model':
        void app.model.reload();
        return;
      case 'reload-page':
        location.reload();
        return;
      case 'new-chat':
        app.chat.clear();
        return;
      case 'settings':
        app.dialog.value = 'settings';
        return;
      default:
        action satisfies never;
    }
  }

  return (
    <section class="fault" role="alert" data-code={props.fault.code}>
      <h3>{title}</h3>
      <p class="fault-message">{props.fault.message}</p>
      {advice !== '' && <p>{advice}</p>}
      <div class="actions">
        {actions.map((action, index) => (
          <button
            key={action}
            type="button"
            class={index === 0 ? 'primary' : 'plain'}
            onClick={() => act(action)}
          >
            {labels[action]}
          </button>
        ))}
      </div>
    </section>
  );
}

const labels: Readonly<Record<FaultAction, string>> = {
  retry: 'Try again',
  'choose-model': 'Choose another model',
  'reload-model': 'Load the model again',
  'reload-page': 'Reload the page',
  'new-chat': 'New chat',
  settings: 'Open settings',
};
