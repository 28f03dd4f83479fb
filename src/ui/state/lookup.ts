/** What one step looked up, as text to show: pure functions of a probe. */
import type { Probe, ProbedLayer } from '../../engine/index.ts';

/** How a stretch of the context was attended to. `current`: the token that was processed. */
export type LookupKind = 'plain' | 'sink' | 'window' | 'selected' | 'current';

/** Neighbouring tokens that were attended to alike. */
export interface LookupSpan {
  readonly kind: LookupKind;
  readonly text: string;
  readonly firstToken: number;
  readonly tokens: number;
  /** The most lists that selected one of its tokens; 0 unless `selected`. */
  readonly lists: number;
  /** Lists that selected each of its tokens, in quarters of the most that any token has: 1 to 4; 0 unless `selected`. */
  readonly level: number;
}

export interface Lookup {
  readonly spans: readonly LookupSpan[];
  /** Lists of the chosen layers. */
  readonly lists: number;
}

/** A stretch of text with tokens that were selected most, and a little of what surrounds them. */
export interface Passage {
  readonly firstToken: number;
  readonly parts: readonly { readonly text: string; readonly isSelected: boolean }[];
  /** The most lists that selected one of its tokens. */
  readonly lists: number;
}

export interface LayerFigures {
  readonly index: number;
  /** Means over lists and query heads, as shares of one; null for dense layers, and where nothing was to select. */
  readonly recall: number | null;
  readonly mass: number | null;
  readonly outputError: number | null;
}

/** layer: its number, or null for all sparse layers together. */
export function lookupOf(probe: Probe, layer: number | null): Lookup {
  const layers = chosenLayers(probe, layer);
  const contextTokens = probe.position + 1;
  const counts = new Uint32Array(contextTokens);
  for (const { lists } of layers) {
    for (const { tokens } of lists) for (const token of tokens) counts[token]! += 1;
  }
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  const sinkEnd = Math.max(0, ...layers.map((own) => own.sinkEnd));
  const windowStart = Math.min(contextTokens, ...layers.map((own) => own.windowStart));
  const kindOf = (token: number): LookupKind => {
    if (token === probe.position) return 'current';
    if (layers.length === 0) return 'plain';
    if (token < sinkEnd) return 'sink';
    if (token >= windowStart) return 'window';
    return counts[token]! > 0 ? 'selected' : 'plain';
  };
  const levelOf = (token: number): number =>
    kindOf(token) === 'selected' ? Math.ceil((4 * counts[token]!) / most) : 0;
  const spans: LookupSpan[] = [];
  for (let first = 0; first < contextTokens; ) {
    const kind = kindOf(first);
    const level = levelOf(first);
    let end = first + 1;
    while (end < contextTokens && kindOf(end) === kind && levelOf(end) === level) end++;
    const lists = level === 0 ? 0 : counts.subarray(first, end).reduce((a, b) => Math.max(a, b));
    const text = probe.pieces.slice(first, end).join('');
    spans.push({ kind, text, firstToken: first, tokens: end - first, lists, level });
    first = end;
  }
  return { spans, lists: layers.reduce((sum, own) => sum + own.lists.length, 0) };
}

/** Dense layers look at everything, and so at nothing in particular. */
function chosenLayers(probe: Probe, layer: number | null): readonly ProbedLayer[] {
  const asked = layer === null ? probe.layers : probe.layers.slice(layer, layer + 1);
  return asked.filter(({ isDense }) => !isDense);
}

/** Tokens apart at most that still belong to one passage, and tokens shown to either side. */
const passageGap = 2;
const contextAround = 6;

/** The stretches selected by most lists, those with most first: what the strong marks say, for reading. */
export function passagesOf(probe: Probe, { spans }: Lookup, most: number): readonly Passage[] {
  const strong = spans.filter(({ level }) => level >= 2);
  const joined: { spans: LookupSpan[]; end: number; lists: number }[] = [];
  for (const span of strong) {
    const last = joined.at(-1);
    const end = span.firstToken + span.tokens;
    if (last && span.firstToken - last.end <= passageGap) {
      last.spans.push(span);
      last.end = end;
      last.lists = Math.max(last.lists, span.lists);
    } else {
      joined.push({ spans: [span], end, lists: span.lists });
    }
  }
  return joined
    .sort((a, b) => b.lists - a.lists || b.end - a.end)
    .slice(0, most)
    .map((stretch) => passage(probe, stretch));
}

function passage(
  probe: Probe,
  stretch: { spans: readonly LookupSpan[]; end: number; lists: number },
): Passage {
  const { spans, end, lists } = stretch;
  const firstToken = spans[0]!.firstToken;
  const parts: { text: string; isSelected: boolean }[] = [];
  const add = (from: number, to: number, isSelected: boolean): void => {
    const text = onOneLine(probe.pieces.slice(from, to).join(''));
    const last = parts.at(-1);
    if (last?.isSelected === isSelected) last.text += text;
    else if (text !== '') parts.push({ text, isSelected });
  };
  let reached = Math.max(0, firstToken - contextAround);
  for (const span of spans) {
    add(reached, span.firstToken, false);
    reached = span.firstToken + span.tokens;
    add(span.firstToken, reached, true);
  }
  add(end, Math.min(end + contextAround, probe.position + 1), false);
  return { firstToken, parts, lists };
}

/** Ends of lines as signs. */
export function onOneLine(text: string): string {
  return text.replaceAll(/\n+/g, '↵');
}

export function layerFigures(probe: Probe): readonly LayerFigures[] {
  return probe.layers.map(({ isDense, lists, heads }, index) => {
    if (isDense) return { index, recall: null, mass: null, outputError: null };
    const recalls = lists.flatMap(({ recall }) => (recall === null ? [] : [recall]));
    return {
      index,
      recall: mean(recalls),
      mass: mean(heads.map(({ mass }) => mass)),
      outputError: mean(heads.map(({ outputError }) => outputError)),
    };
  });
}

/** Means over the sparse layers. */
export function overallFigures(layers: readonly LayerFigures[]): Omit<LayerFigures, 'index'> {
  const over = (name: 'recall' | 'mass' | 'outputError') =>
    mean(layers.flatMap((layer) => (layer[name] === null ? [] : [layer[name]])));
  return { recall: over('recall'), mass: over('mass'), outputError: over('outputError') };
}

function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((a, b) => a + b) / values.length;
}

/** Spans in pages of at most `pageTokens` tokens, so that long contexts stay quick to show. */
export function pagesOf(
  spans: readonly LookupSpan[],
  pageTokens: number,
): readonly (readonly LookupSpan[])[] {
  const pages: LookupSpan[][] = [];
  let lastPage = -1;
  for (const span of spans) {
    const page = Math.floor(span.firstToken / pageTokens);
    if (page !== lastPage) pages.push([]);
    pages.at(-1)?.push(span);
    lastPage = page;
  }
  return pages;
}
