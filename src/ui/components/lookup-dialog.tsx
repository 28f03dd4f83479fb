import { useSignal } from '@preact/signals';
import { useEffect, useId, useMemo } from 'preact/hooks';
import type { Probe } from '../../engine/index.ts';
import { useApp } from '../state/app-state.ts';
import { formatCount } from '../state/format.ts';
import { layerFigures, lookupOf, onOneLine } from '../state/lookup.ts';
import { shownIn } from '../state/lookup-session.ts';
import { LookupFigures } from './lookup-figures.tsx';
import { LookupPassages } from './lookup-passages.tsx';
import { LookupText } from './lookup-text.tsx';
import { Modal } from './modal.tsx';

/** What one step of the conversation attended to, in the words of the context, and how well that was chosen. Begins with the
 *  last step, and follows an answer that is being written. */
export function LookupDialog({ onClose }: { readonly onClose: () => void }) {
  const { lookup } = useApp();
  useEffect(() => {
    void lookup.follow();
    return () => lookup.close();
  }, []);
  const state = lookup.state.value;
  const probe = shownIn(state);
  return (
    <Modal title="What was looked up" isWide onClose={onClose}>
      {state.kind === 'failed' && (
        <p class="problem" role="alert">
          {state.fault.message}
        </p>
      )}
      {probe ? (
        <LookupView probe={probe} isLooking={state.kind === 'looking'} />
      ) : (
        state.kind !== 'failed' && (
          <p class="note pulse" role="status">
            Running the last step again beside dense attention
          </p>
        )
      )}
    </Modal>
  );
}

function LookupView({ probe, isLooking }: { readonly probe: Probe; readonly isLooking: boolean }) {
  const layer = useSignal<number | null>(null);
  const layers = layerFigures(probe);
  const isSparse = probe.layers.some(({ isDense }) => !isDense);
  const lookup = useMemo(() => lookupOf(probe, layer.value), [probe, layer.value]);
  return (
    <>
      <section aria-busy={isLooking}>
        <div class="lookup-controls">
          <StepField probe={probe} isLooking={isLooking} />
          {isSparse && (
            <LayerField probe={probe} layer={layer.value} onChange={(chosen) => (layer.value = chosen)} />
          )}
        </div>
        {isSparse ? (
          <Legend />
        ) : (
          <p class="note">
            In this step every layer attended to every token: nothing was looked up. Settings has sparse
            attention.
          </p>
        )}
        <LookupText lookup={lookup} />
      </section>
      {isSparse && (
        <>
          <LookupPassages probe={probe} lookup={lookup} />
          <LookupFigures layers={layers} />
        </>
      )}
    </>
  );
}

/** Which token was processed. Steps to either side of it are looked into on request, the newest of an answer being written
 *  as it comes; that is not read out. */
function StepField({ probe, isLooking }: { readonly probe: Probe; readonly isLooking: boolean }) {
  const { lookup, chat } = useApp();
  const isFollowing = lookup.isFollowing.value;
  const isBusy = isLooking && !isFollowing;
  const { position, pieces } = probe;
  const piece = pieces[position] ?? '';
  const next = pieces[position + 1];
  return (
    <div class="field">
      <p class="label">Step</p>
      <div class="stepper">
        <button
          type="button"
          class="plain"
          disabled={isBusy || position === 0}
          onClick={() => void lookup.look(position - 1)}
        >
          Earlier
        </button>
        <button
          type="button"
          class="plain"
          disabled={isBusy || next === undefined}
          onClick={() => void lookup.look(position + 1)}
        >
          Later
        </button>
        {chat.isAnswering.value && (
          <button type="button" class="plain" disabled={isFollowing} onClick={() => void lookup.follow()}>
            Follow
          </button>
        )}
        <p class="note" role={isFollowing ? undefined : 'status'}>
          {isBusy
            ? 'Running another step'
            : `After “${onOneLine(piece)}”, token ${formatCount(position + 1)} of ${formatCount(pieces.length)}` +
              (next === undefined ? '' : `; the next is “${onOneLine(next)}”`) +
              (isFollowing ? '; following the answer' : '')}
        </p>
      </div>
    </div>
  );
}

function LayerField(props: {
  readonly probe: Probe;
  readonly layer: number | null;
  readonly onChange: (layer: number | null) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>Layer</label>
      <select
        id={id}
        value={props.layer === null ? 'all' : String(props.layer)}
        onChange={({ currentTarget: { value } }) => props.onChange(value === 'all' ? null : Number(value))}
      >
        <option value="all">All layers together</option>
        {props.probe.layers.map(({ isDense }, index) => (
          <option key={String(index)} value={String(index)} disabled={isDense}>
            Layer {index}
            {isDense ? ' (dense)' : ''}
          </option>
        ))}
      </select>
    </div>
  );
}

/** What the marks mean. */
function Legend() {
  return (
    <p class="lookup-legend note">
      Looked up: <mark data-level="1">by few lists</mark> <mark data-level="4">by most</mark> · always
      attended to: <span class="sink">sink</span> <span class="window">window</span> ·{' '}
      <span class="current">the token itself</span>
    </p>
  );
}
