/** Which model to load and how: from the dialog's form to the engine's options. */
import type { EngineOptions, ModelReference, WeightsOption } from '../../engine/index.ts';
import { type SamplingSettings, unsetSampling } from './settings.ts';
import { urlLabel } from './url-label.ts';

/** A model a person chose, with the options to load it. */
export interface ModelChoice {
  readonly label: string;
  /** Good values for this model, used where the reader set none. */
  readonly sampling: SamplingSettings;
  readonly options: Pick<
    EngineOptions,
    'model' | 'revision' | 'accessToken' | 'weights' | 'contextLength' | 'extendContext'
  >;
}

/** A named place where a model's files are. */
export interface NamedModel {
  readonly label: string;
  readonly reference: ModelReference;
  readonly sampling?: SamplingSettings;
}

/** The page's default model with the engine's own options; null when there is none. */
export function defaultChoice(config: { readonly defaultModel: NamedModel | null }): ModelChoice | null {
  const model = config.defaultModel;
  return (
    model && {
      label: model.label,
      sampling: model.sampling ?? unsetSampling,
      options: { model: model.reference },
    }
  );
}

export type SourceKind = 'default' | 'hub' | 'url' | 'folder';

/** The form as typed. */
export interface ModelDraft {
  readonly source: SourceKind;
  readonly repo: string;
  readonly revision: string;
  readonly accessToken: string;
  readonly url: string;
  readonly folder: NamedModel | null;
  readonly weights: WeightsOption;
  readonly contextLength: string;
  readonly extendContext: boolean;
}

export const emptyDraft: ModelDraft = {
  source: 'hub',
  repo: '',
  revision: '',
  accessToken: '',
  url: '',
  folder: null,
  weights: 'q4',
  contextLength: '',
  extendContext: false,
};

export type DraftField = 'repo' | 'url' | 'folder' | 'contextLength';

export type DraftResult =
  | { readonly ok: true; readonly choice: ModelChoice }
  | { readonly ok: false; readonly field: DraftField; readonly problem: string };

/** The choice a form describes, or the first field to correct.
 *  defaultModel: what 'default' stands for; pageUrl: what relative addresses are relative to. */
export function choiceFromDraft(
  draft: ModelDraft,
  defaultModel: NamedModel | null,
  pageUrl: string,
): DraftResult {
  const source = sourceFromDraft(draft, defaultModel, pageUrl);
  if ('problem' in source) return { ok: false, ...source };
  const contextLength = draft.contextLength.trim() === '' ? null : Number(draft.contextLength);
  if (contextLength !== null && (!Number.isInteger(contextLength) || contextLength < 1)) {
    return {
      ok: false,
      field: 'contextLength',
      problem: 'Give the context length as a whole number of tokens, or leave it empty.',
    };
  }
  const revision = draft.revision.trim();
  const accessToken = draft.accessToken.trim();
  return {
    ok: true,
    choice: {
      label: source.label,
      sampling: source.sampling ?? unsetSampling,
      options: {
        model: source.reference,
        weights: draft.weights,
        ...(draft.source === 'hub' && revision !== '' ? { revision } : {}),
        ...(draft.source === 'hub' && accessToken !== '' ? { accessToken } : {}),
        ...(contextLength === null ? {} : { contextLength }),
        ...(draft.extendContext ? { extendContext: 'yarn' as const } : {}),
      },
    },
  };
}

type Source = NamedModel | { readonly field: DraftField; readonly problem: string };

function sourceFromDraft(draft: ModelDraft, defaultModel: NamedModel | null, pageUrl: string): Source {
  switch (draft.source) {
    case 'default':
      return defaultModel ?? { field: 'repo', problem: 'This page has no default model. Choose one.' };
    case 'hub': {
      const repo = repoFrom(draft.repo);
      if (repo === null) {
        return { field: 'repo', problem: 'Give a repository as owner/name, or its page on huggingface.co.' };
      }
      return { label: repo, reference: { kind: 'hub', repo } };
    }
    case 'url': {
      const typed = draft.url.trim();
      if (typed === '' || !URL.canParse(typed, pageUrl)) {
        return { field: 'url', problem: 'Give the address of the folder that holds config.json.' };
      }
      const url = new URL(typed.endsWith('/') ? typed : `${typed}/`, pageUrl);
      if (url.protocol !== 'https:' && url.protocol !== 'http:') {
        return {
          field: 'url',
          problem: `The address must begin with https:// or http://, not ${url.protocol}`,
        };
      }
      return { label: urlLabel(url), reference: { kind: 'url', url: url.href } };
    }
    case 'folder':
      return draft.folder ?? { field: 'folder', problem: 'Choose the folder that holds config.json.' };
    default:
      return draft.source satisfies never;
  }
}

/** "owner/name" from what was typed or pasted; null when it is neither. */
function repoFrom(typed: string): string | null {
  const text = typed.trim().replace(/^https?:\/\/(www\.)?huggingface\.co\//, '');
  return /^([\w.-]+\/[\w.-]+?)(\/(tree|blob|resolve)\/.*|\/)?$/.exec(text)?.[1] ?? null;
}
