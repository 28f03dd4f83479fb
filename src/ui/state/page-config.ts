/** What this deployment of the page offers, read at run time from config.json beside the page. */
import type { NamedModel } from './model-choice.ts';
import { parseSamplingSettings } from './settings.ts';
import { urlLabel } from './url-label.ts';

export interface PageConfig {
  readonly defaultModel: NamedModel | null;
  /** Load the default model when the page opens; not where the browser asks to save data. */
  readonly autoLoad: boolean;
}

/** Parses config.json: `{"defaultModel": "models/name/" | {"repo": "owner/name", "revision"?: "…"}, "sampling"?: {…}, "autoLoad"?: true}`.
 *  A string is an address, relative to the page; sampling names and limits are those of the settings. Anything else means that there is no default model. */
export function parsePageConfig(json: unknown, pageUrl: string): PageConfig {
  const record = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
  const defaultModel = parseDefaultModel(record.defaultModel, pageUrl);
  return {
    defaultModel: defaultModel && { ...defaultModel, sampling: parseSamplingSettings(record.sampling) },
    autoLoad: record.autoLoad === true,
  };
}

function parseDefaultModel(value: unknown, pageUrl: string): PageConfig['defaultModel'] {
  if (typeof value === 'string' && URL.canParse(value, pageUrl)) {
    const url = new URL(value.endsWith('/') ? value : `${value}/`, pageUrl);
    return { label: urlLabel(url), reference: { kind: 'url', url: url.href } };
  }
  if (typeof value === 'object' && value !== null && 'repo' in value && typeof value.repo === 'string') {
    const revision =
      'revision' in value && typeof value.revision === 'string' ? { revision: value.revision } : {};
    return { label: value.repo, reference: { kind: 'hub', repo: value.repo, ...revision } };
  }
  return null;
}

/** Reads config.json; a page without a usable one has no default model. */
export async function readPageConfig(pageUrl: string): Promise<PageConfig> {
  try {
    const response = await fetch(new URL('config.json', pageUrl), { cache: 'no-cache' });
    return parsePageConfig(response.ok ? await response.json() : null, pageUrl);
  } catch {
    return parsePageConfig(null, pageUrl);
  }
}
