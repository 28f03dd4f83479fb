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
        {passages.map(({ before, text, after, lists }) => (
          <li key={`${before}${text}`}>
            <q>
              {before}
              <mark data-level="4">{text}</mark>
              {after}
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
