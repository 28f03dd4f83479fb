import { useApp } from '../state/app-state.ts';
import { formatBytes, formatSteps } from '../state/format.ts';
import type { LearnedUse, LearningState } from '../state/learning-session.ts';
import { LearningPlots } from './learning-plots.tsx';

/** What was learned: to be used, to be kept as a file, or to be dropped. */
export function LearnedSignatures(props: {
  readonly state: Extract<LearningState, { readonly kind: 'learned' }>;
  readonly model: string;
}) {
  const { learning } = useApp();
  const { run, maps, use } = props.state;
  return (
    <section aria-label="Learned signatures">
      <p role="status">
        <strong>Learned in {formatSteps(run.steps)}.</strong> {useText(use)}
      </p>
      <LearningPlots run={run} />
      {use.kind === 'failed' && (
        <p class="problem" role="alert">
          {use.fault.message}
        </p>
      )}
      <div class="actions">
        {use.kind !== 'used' && (
          <button
            type="button"
            class="primary"
            disabled={use.kind === 'placing'}
            onClick={() => void learning.use()}
          >
            Use these signatures
          </button>
        )}
        <button type="button" class="plain" onClick={() => download(maps)}>
          Download ({formatBytes(maps.length)})
        </button>
        <button type="button" class="plain" disabled={use.kind === 'placing'} onClick={learning.cancel}>
          {use.kind === 'used' ? 'Learn again' : 'Discard'}
        </button>
      </div>
      <p class="hint">
        The file belongs beside the weights of {props.model}, as hash_attention.safetensors: there it is used
        wherever the model is loaded.
      </p>
    </section>
  );
}

function useText(use: LearnedUse): string {
  switch (use.kind) {
    case 'unused':
    case 'failed':
      return 'They are not in use yet.';
    case 'placing':
      return 'They are put in place as soon as no answer is being written.';
    case 'used':
      return use.kept.kind === 'browser'
        ? 'They are in use, and kept with the model in this browser.'
        : `They are in use until the model is loaded again (${use.kept.reason}): download them to keep them.`;
    default:
      return use satisfies never;
  }
}

function download(maps: Uint8Array<ArrayBuffer>): void {
  const url = URL.createObjectURL(new Blob([maps], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = 'hash_attention.safetensors';
  link.click();
  // the browser reads the blob after the click has been handled
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
