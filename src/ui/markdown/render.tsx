/** Markdown tokens as Preact nodes. No HTML text is ever parsed by the browser, so nothing needs to be sanitised:
 *  only the elements named here can come out, and links only through `safeLink`. */
import type { Token, Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { CodeBlock } from '../components/code-block.tsx';
import type { Block } from './blocks.ts';
import { decodeCharacterReferences } from './character-references.ts';
import { safeLink } from './safe-link.ts';

/** Nesting beyond this is shown as source: a hostile text must not overflow the stack. */
const deepest = 40;

/** A top-level block. */
export function renderBlock({ token, outline }: Block): ComponentChildren {
  if (token.type !== 'heading') return renderToken(token, 0);
  return heading(outline, renderTokens((token as Tokens.Heading).tokens, 1));
}

/** One token, block or inline, with everything inside it. A link inside a link is its text. */
function renderToken(token: Token, depth: number, isLinked = false): ComponentChildren {
  if (depth > deepest) return token.raw;
  const inside = () =>
    renderTokens('tokens' in token ? token.tokens : undefined, depth + 1, isLinked || token.type === 'link');
  // Token is a union with an open-ended member, so the type tag alone does not narrow it.
  switch (token.type) {
    case 'paragraph':
      return <p>{inside()}</p>;
    case 'heading':
      // Inside a list or quotation a heading has no place in the page's outline.
      return (
        <p>
          <strong>{inside()}</strong>
        </p>
      );
    case 'code': {
      const { text, lang } = token as Tokens.Code;
      return <CodeBlock code={text} language={lang?.split(/\s/)[0] ?? ''} />;
    }
    case 'blockquote':
      return <blockquote>{inside()}</blockquote>;
    case 'list':
      return list(token as Tokens.List, depth + 1);
    case 'table':
      return table(token as Tokens.Table, depth + 1);
    case 'hr':
      return <hr />;
    case 'strong':
      return <strong>{inside()}</strong>;
    case 'em':
      return <em>{inside()}</em>;
    case 'del':
      return <del>{inside()}</del>;
    case 'codespan':
      return <code>{(token as Tokens.Codespan).text}</code>;
    case 'br':
      return <br />;
    case 'link':
      return isLinked ? inside() : link((token as Tokens.Link).href, inside());
    case 'image': {
      const { href, text } = token as Tokens.Image;
      const name = text === '' ? href : decodeCharacterReferences(text);
      return isLinked ? name : link(href, name);
    }
    case 'checkbox':
      return (token as Tokens.Checkbox).checked ? '☑ ' : '☐ ';
    case 'escape':
      return (token as Tokens.Escape).text;
    case 'text':
      return 'tokens' in token && token.tokens
        ? inside()
        : decodeCharacterReferences((token as Tokens.Text).text);
    case 'space':
    case 'def':
      return null;
    default:
      return token.raw;
  }
}

function renderTokens(
  tokens: readonly Token[] | undefined,
  depth: number,
  isLinked = false,
): ComponentChildren {
  return tokens?.map((token) => renderToken(token, depth, isLinked)) ?? null;
}

/** outline: from 1; an answer's own heading in the page is an h2. */
function heading(outline: number, children: ComponentChildren): VNode {
  switch (outline) {
    case 1:
      return <h3>{children}</h3>;
    case 2:
      return <h4>{children}</h4>;
    case 3:
      return <h5>{children}</h5>;
    default:
      return <h6>{children}</h6>;
  }
}

function list(token: Tokens.List, depth: number): VNode {
  const items = token.items.map((item, index) => <li key={index}>{renderTokens(item.tokens, depth + 1)}</li>);
  if (!token.ordered) return <ul>{items}</ul>;
  return <ol start={token.start === '' ? 1 : token.start}>{items}</ol>;
}

function table(token: Tokens.Table, depth: number): VNode {
  const alignment = (cell: Tokens.TableCell) => (cell.align ? `align-${cell.align}` : undefined);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table scrolls, which needs the keyboard too
    // biome-ignore lint/a11y/useSemanticElements: a fieldset groups form controls, not a table
    <div class="table-scroll" tabIndex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>
            {token.header.map((cell) => (
              <th scope="col" class={alignment(cell)}>
                {renderTokens(cell.tokens, depth + 1)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row) => (
            <tr>
              {row.map((cell) => (
                <td class={alignment(cell)}>{renderTokens(cell.tokens, depth + 1)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function link(href: string, children: ComponentChildren): ComponentChildren {
  const safe = safeLink(decodeCharacterReferences(href));
  if (safe === null) return children;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}
