import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { formatCount } from '../state/format.ts';
import { type Lookup, type LookupSpan, pagesOf } from '../state/lookup.ts';

/** Tokens shown at once: as many as are quick to lay out. */
const pageTokens = 8192;

/** The context with what was attended to marked in it; long ones in parts, the one with the strongest mark first. */
export function LookupText({ lookup }: { readonly lookup: Lookup }) {
  const pages = useMemo(() => pagesOf(lookup.spans, pageTokens), [lookup]);
  const strongest = pages.findIndex((spans) => spans.some(({ level }) => level === 4));
  const turned = useSignal<{ readonly of: Lookup; readonly page: number } | null>(null);
  const best = strongest < 0 ? pages.length - 1 : strongest;
  const page = turned.value?.of === lookup ? turned.value.page : best;
  const spans = pages[page] ?? [];
  const turn = (to: number) => {
    turned.value = { of: lookup, page: to };
  };
  return (
    <>
      {pages.length > 1 && (
        <div class="stepper">
          <button type="button" class="plain" disabled={page === 0} onClick={() => turn(page - 1)}>
            Before
          </button>
          <button
            type="button"
            class="plain"
            disabled={page === pages.length - 1}
            onClick={() => turn(page + 1)}
          >
            After
          </button>
          <p class="note">
            From token {formatCount((spans[0]?.firstToken ?? 0) + 1)}; part {page + 1} of {pages.length}
          </p>
        </div>
      )}
      <MarkedText spans={spans} lists={lookup.lists} />
    </>
  );
}

/** Scrolls to its strongest mark, or to the token that was processed. */
function MarkedText({ spans, lists }: { readonly spans: readonly LookupSpan[]; readonly lists: number }) {
  const text = useRef<HTMLElement>(null);
  useEffect(() => {
    const mark = text.current?.querySelector<HTMLElement>('[data-level="4"], .current');
    if (mark && text.current) text.current.scrollTop = mark.offsetTop - text.current.clientHeight / 2;
  }, [spans]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the text scrolls, which needs the keyboard too
    <section ref={text} class="lookup-text" tabIndex={0} aria-label="The context, marked">
      {spans.map((span) => (
        <Span key={span.firstToken} span={span} lists={lists} />
      ))}
    </section>
  );
}

function Span({ span, lists }: { readonly span: LookupSpan; readonly lists: number }) {
  const { kind, text, level } = span;
  switch (kind) {
    case 'plain':
      return <>{text}</>;
    case 'selected':
      return (
        <mark data-level={level} title={`up to ${formatCount(span.lists)} of ${formatCount(lists)} lists`}>
          {text}
        </mark>
      );
    case 'sink':
    case 'window':
    case 'current':
      return <span class={kind}>{text}</span>;
    default:
      return kind satisfies never;
  }
}
