import type { Probe } from '../../engine/index.ts';
import { formatCount } from '../state/format.ts';
import { type Lookup, passagesOf } from '../state/lookup.ts';

const most = 6;

/** The passages that most lists selected, in words: what the marks show, for readers who cannot see them. */
export function LookupPassages({ probe, lookup }: { readonly probe: Probe; readonly lookup: Lookup }) {
  const passages = passagesOf(probe, lookup, most);
  if (passages.length === 0) return null;
  return (
    <section>
      <h3>Looked up most</h3>
      <ol class="passages" data-testid="lookup-passages">
        {passages.map(({ firstToken, parts, lists }) => (
          <li key={firstToken}>
            <q>
              {parts.map(({ text, isSelected }, index) =>
                isSelected ? (
                  <mark key={String(index)} data-level="4">
                    {text}
                  </mark>
                ) : (
                  text
                ),
              )}
            </q>{' '}
            <small>
              {formatCount(lists)} of {formatCount(lookup.lists)} lists
            </small>
          </li>
        ))}
      </ol>
    </section>
  );
}
