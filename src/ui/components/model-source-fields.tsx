import { useApp } from '../state/app-state.ts';
import type { DraftField, ModelDraft, SourceKind } from '../state/model-choice.ts';
import { FolderPicker } from './folder-picker.tsx';
import { TextField } from './text-field.tsx';

export interface DraftFieldsProps {
  readonly draft: ModelDraft;
  readonly onChange: (fields: Partial<ModelDraft>) => void;
  readonly problemOf: (field: DraftField) => string | undefined;
}

/** Where the model's files come from. */
export function ModelSourceFields({ draft, onChange, problemOf }: DraftFieldsProps) {
  const { config } = useApp();
  const sources: readonly (readonly [SourceKind, string])[] = [
    ...(config.defaultModel ? [['default', config.defaultModel.label] as const] : []),
    ['hub', 'Hugging Face'],
    ['url', 'Web address'],
    ['folder', 'Folder on this computer'],
  ];
  return (
    <>
      <fieldset class="choices">
        <legend>Where its files are</legend>
        {sources.map(([source, label]) => (
          <label key={source}>
            <input
              type="radio"
              name="source"
              value={source}
              checked={draft.source === source}
              onChange={() => onChange({ source })}
            />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      {draft.source === 'hub' && (
        <div class="fields">
          <TextField
            label="Repository"
            placeholder="owner/name"
            hint="Such as Qwen/Qwen3-0.6B"
            value={draft.repo}
            problem={problemOf('repo')}
            onInput={(repo) => onChange({ repo })}
          />
          <TextField
            label="Revision"
            placeholder="main"
            hint="Branch, tag or commit"
            value={draft.revision}
            onInput={(revision) => onChange({ revision })}
          />
          <TextField
            label="Access token"
            isSecret
            hint="For gated models. Sent to Hugging Face only, never stored."
            value={draft.accessToken}
            onInput={(accessToken) => onChange({ accessToken })}
          />
        </div>
      )}
      {draft.source === 'url' && (
        <TextField
          label="Address of the model’s folder"
          inputMode="url"
          placeholder="https://…/model/"
          hint="Another site must allow this page to read its files (CORS)."
          value={draft.url}
          problem={problemOf('url')}
          onInput={(url) => onChange({ url })}
        />
      )}
      {draft.source === 'folder' && (
        <div class="field">
          <FolderPicker picked={draft.folder} onPick={(folder) => onChange({ folder })} />
          <p class={problemOf('folder') ? 'problem' : 'hint'}>
            {problemOf('folder') ?? 'Its files are read where they are, and not copied.'}
          </p>
        </div>
      )}
    </>
  );
}
