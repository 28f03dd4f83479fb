import { useSignal } from '@preact/signals';
import { useId } from 'preact/hooks';
import { useApp } from '../state/app-state.ts';
import {
  type AttentionMethod,
  type AttentionSettings,
  type LayerBudgetsSetting,
  layerBudgetsChoices,
  layersAsTyped,
  methods,
  parseLayers,
  sinkField,
  type TailSetting,
  tails,
  windowField,
} from '../state/attention-settings.ts';
import { NumberField } from './number-field.tsx';
import { TextField } from './text-field.tsx';

const methodLabels: Readonly<Record<AttentionMethod, string>> = {
  trained: 'Signatures, compared as they were trained',
  asymmetric: 'Signatures, 4-bit queries against 1-bit keys',
  hamming: 'Signatures, bits against bits (Hamming)',
  published: 'As published: Hamming, a list per query head',
  oracle: 'To compare: the tokens dense attention weighs most (slow)',
  random: 'To compare: tokens drawn at random',
  streaming: 'To compare: sink and window only',
};

const tailLabels: Readonly<Record<TailSetting, string>> = {
  blocks: 'As means of 1024',
  mean: 'As one mean',
  none: 'Not at all',
};

const layerBudgetsLabels: Readonly<Record<LayerBudgetsSetting, string>> = {
  maps: 'As the signatures say',
  uniform: 'As many in every layer',
};

/** How tokens are chosen, and what is attended to besides. */
export function AttentionDetails(props: {
  readonly attention: AttentionSettings;
  readonly onChange: (fields: Partial<AttentionSettings>) => void;
  readonly onOpen: () => void;
}) {
  const { attention, onChange } = props;
  const id = useId();
  const isPublished = attention.method === 'published';
  const isHashed = !['oracle', 'random', 'streaming'].includes(attention.method);
  return (
    <details class="details" onToggle={(event) => event.currentTarget.open && props.onOpen()}>
      <summary>Details</summary>
      <div class="fields">
        <div class="field whole">
          <label for={`${id}-method`}>Tokens are chosen by</label>
          <select
            id={`${id}-method`}
            value={attention.method}
            onChange={(event) => onChange({ method: event.currentTarget.value as AttentionMethod })}
          >
            {methods.map((method) => (
              <option key={method} value={method}>
                {methodLabels[method]}
              </option>
            ))}
          </select>
        </div>
        {[sinkField, windowField].map((field) => (
          <NumberField
            key={field.name}
            field={field}
            value={attention[field.name]}
            standard={field.standard}
            onChange={(value) => onChange({ [field.name]: value })}
          />
        ))}
        {!isPublished && (
          <>
            <TailField tail={attention.tail} onChange={(tail) => onChange({ tail })} />
            <LayersField
              layers={attention.denseLayers}
              onChange={(denseLayers) => onChange({ denseLayers })}
            />
          </>
        )}
        {isHashed && !isPublished && (
          <LayerBudgetsField
            value={attention.layerBudgets}
            onChange={(layerBudgets) => onChange({ layerBudgets })}
          />
        )}
      </div>
    </details>
  );
}

/** What stands for the tokens that are not selected. */
function TailField(props: {
  readonly tail: TailSetting | null;
  readonly onChange: (tail: TailSetting | null) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>Tail</label>
      <select
        id={id}
        aria-describedby={`${id}-hint`}
        value={props.tail ?? 'unset'}
        onChange={({ currentTarget: { value } }) =>
          props.onChange(tails.find((tail) => tail === value) ?? null)
        }
      >
        <option value="unset">Automatic</option>
        {tails.map((tail) => (
          <option key={tail} value={tail}>
            {tailLabels[tail]}
          </option>
        ))}
      </select>
      <p id={`${id}-hint`} class="hint">
        How all other tokens are attended to
      </p>
    </div>
  );
}

/** Which layers have more of the selected tokens than others. */
function LayerBudgetsField(props: {
  readonly value: LayerBudgetsSetting;
  readonly onChange: (value: LayerBudgetsSetting) => void;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>Selected tokens by layer</label>
      <select
        id={id}
        aria-describedby={`${id}-hint`}
        value={props.value}
        onChange={(event) => props.onChange(event.currentTarget.value as LayerBudgetsSetting)}
      >
        {layerBudgetsChoices.map((choice) => (
          <option key={choice} value={choice}>
            {layerBudgetsLabels[choice]}
          </option>
        ))}
      </select>
      <p id={`${id}-hint`} class="hint">
        The same number in all, either way
      </p>
    </div>
  );
}

function LayersField(props: {
  readonly layers: readonly number[] | null;
  readonly onChange: (layers: readonly number[] | null) => void;
}) {
  const typed = useSignal(layersAsTyped(props.layers));
  const state = useApp().model.state.value;
  const layers = state.kind === 'ready' ? state.engine.model.layers : undefined;
  return (
    <TextField
      label="Dense layers"
      placeholder="0"
      hint="Numbers from 0 on, or “none”"
      problem={
        parseLayers(typed.value, layers) === undefined
          ? `Give layer numbers${layers ? ` from 0 to ${layers - 1}` : ''} with commas between, or “none”.`
          : undefined
      }
      value={typed.value}
      onInput={(text) => {
        typed.value = text;
        const chosen = parseLayers(text, layers);
        if (chosen !== undefined) props.onChange(chosen);
      }}
    />
  );
}
