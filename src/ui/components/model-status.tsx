import { type LoadProgress, sourceHost } from '../../engine/index.ts';
import { useApp } from '../state/app-state.ts';
import { loadAdvice } from '../state/fault.ts';
import { formatBytes } from '../state/format.ts';
import { defaultChoice } from '../state/model-choice.ts';
import { FaultNotice } from './fault-notice.tsx';
import { Icon } from './icon.tsx';

/** What stands between the reader and an answer: loading, a failure, a recovering engine. Nothing when all is well. */
export function ModelStatus() {
  const { config, dialog, model } = useApp();
  const state = model.state.value;
  const standard = defaultChoice(config);
  switch (state.kind) {
    case 'none':
      return (
        <section class="status" aria-label="Model">
          <p>No model is loaded.</p>
          <div class="actions">
            {standard && (
              <button type="button" class="primary" onClick={() => void model.load(standard)}>
                Load {standard.label}
              </button>
            )}
            <button
              type="button"
              class={standard ? 'plain' : 'primary'}
              onClick={() => {
                dialog.value = 'model';
              }}
            >
              Choose a model
            </button>
          </div>
        </section>
      );
    case 'loading':
      return (
        <Loading
          label={state.choice.label}
          host={sourceHost(state.choice.options.model, location.href)}
          progress={state.progress}
          waiting={model.waiting.value}
          onCancel={model.cancel}
        />
      );
    case 'failed':
      return <FaultNotice fault={state.fault} adviceFor={loadAdvice} onRetry={() => void model.reload()} />;
    case 'ready':
      return model.recovering.value === null ? (
        <Warnings texts={model.warnings.value} onDismiss={model.dismissWarnings} />
      ) : (
        <section class="status recovering" role="status" aria-label="Recovering">
          <p>
            <strong>Recovering.</strong> The graphics device went away ({model.recovering.value}). The engine
            is rebuilding itself; your conversation is kept.
          </p>
        </section>
      );
    default:
      return state satisfies never;
  }
}

/** Loading went on, but something is not as it should be. */
function Warnings(props: { readonly texts: readonly string[]; readonly onDismiss: () => void }) {
  if (props.texts.length === 0) return null;
  return (
    <div class="status warnings">
      <div role="status" aria-label="Warnings">
        {props.texts.map((text) => (
          <p key={text} class="note">
            {text}
          </p>
        ))}
      </div>
      <button type="button" class="quiet" aria-label="Dismiss warnings" onClick={props.onDismiss}>
        <Icon name="close" />
      </button>
    </div>
  );
}

function Loading(props: {
  readonly label: string;
  readonly host: string | null;
  readonly progress: LoadProgress | null;
  readonly waiting: string | null;
  readonly onCancel: () => void;
}) {
  const { progress } = props;
  const total = progress?.totalBytes ?? 0;
  return (
    <section class="status loading" aria-label="Loading the model">
      <div class="loading-line">
        <p>
          <strong>{props.label}</strong> <span class="stage">{stageText(progress, props.host)}</span>
        </p>
        <button type="button" class="quiet" aria-label="Cancel loading" onClick={props.onCancel}>
          Cancel
        </button>
      </div>
      <progress
        aria-label={`Loading ${props.label}`}
        {...(total > 0 ? { value: progress?.loadedBytes ?? 0, max: total } : {})}
      />
      <p class="note">{props.waiting ?? bytesText(progress)}</p>
    </section>
  );
}

function stageText(progress: LoadProgress | null, host: string | null): string {
  const stage = progress?.stage ?? 'config';
  switch (stage) {
    case 'config':
      return host === null ? 'reading its description' : `asking ${host} for its description`;
    case 'weights':
      return 'loading weights';
    case 'compile':
      return 'preparing the graphics processor';
    case 'ready':
      return 'ready';
    default:
      return stage satisfies never;
  }
}

/** Keeps its height before there are figures, so that nothing jumps. */
function bytesText(progress: LoadProgress | null): string {
  if (!progress || progress.totalBytes === 0) return '\u00a0';
  const { loadedBytes, totalBytes, fromStorageBytes, bytesPerSecond, stage } = progress;
  const parts = [`${formatBytes(loadedBytes)} of ${formatBytes(totalBytes)}`];
  if (stage === 'weights' && bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (fromStorageBytes > 0) parts.push(`${formatBytes(fromStorageBytes)} already on this device`);
  return parts.join(' · ');
}
