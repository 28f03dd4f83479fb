import { useId } from 'preact/hooks';
import { useApp } from '../state/app-state.ts';
import { automaticInWords, signatureNotes } from '../state/attention-facts.ts';
import type { Settings, Theme } from '../state/settings.ts';
import { AttentionFields } from './attention-fields.tsx';
import { Modal } from './modal.tsx';
import { RemoveLearned } from './remove-learned.tsx';
import { SamplingFields } from './sampling-fields.tsx';
import { StoredModels } from './stored-models.tsx';

const themes: readonly (readonly [Theme, string])[] = [
  ['system', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

/** Settings for all conversations; kept in this browser. Attention holds from the next token on, the rest from the next answer. */
export function SettingsDialog({ onClose }: { readonly onClose: () => void }) {
  const { dialog, model, settings } = useApp();
  const promptId = useId();
  const change = (fields: Partial<Settings>) => {
    settings.value = { ...settings.value, ...fields };
  };
  return (
    <Modal title="Settings" onClose={onClose}>
      <section>
        <h3>
          <label for={promptId}>System prompt</label>
        </h3>
        <textarea
          id={promptId}
          class="tall"
          rows={3}
          placeholder="The model’s own"
          value={settings.value.systemPrompt}
          onInput={(event) => change({ systemPrompt: event.currentTarget.value })}
        />
      </section>
      <section>
        <h3>Sampling</h3>
        <p class="hint">Empty fields take the value shown in them, or the model’s own.</p>
        <SamplingFields
          sampling={settings.value.sampling}
          defaults={model.samplingDefaults()}
          onChange={(sampling) => change({ sampling })}
        />
      </section>
      <section>
        <AttentionFields
          attention={settings.value.attention}
          automatic={automaticInWords(model.facts.value)}
          notes={signatureNotes(model.facts.value)}
          onDetails={() => void model.refreshFacts()}
          onChange={(attention) => change({ attention })}
        />
        <div class="actions">
          <button
            type="button"
            class="plain"
            disabled={model.state.value.kind !== 'ready'}
            onClick={() => {
              dialog.value = 'learning';
            }}
          >
            Learn signatures for this model
          </button>
        </div>
        <RemoveLearned />
      </section>
      <section>
        <fieldset class="choices">
          <legend>Appearance</legend>
          {themes.map(([theme, label]) => (
            <label key={theme}>
              <input
                type="radio"
                name="theme"
                value={theme}
                checked={settings.value.theme === theme}
                onChange={() => change({ theme })}
              />
              <span>{label}</span>
            </label>
          ))}
        </fieldset>
      </section>
      <StoredModels />
    </Modal>
  );
}
