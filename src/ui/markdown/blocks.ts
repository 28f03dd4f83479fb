/** Markdown text as blocks of tokens. HTML is no part of the language here: it stays text. */
import { Marked, type Token, type Tokens, type TokensList } from 'marked';

/** A top-level piece of a text: a paragraph, list, table, code block … */
export interface Block {
  /** The block's source; with the same `definitions`, equal source means equal output. */
  readonly raw: string;
  /** Link definitions in the whole text: a later one may turn text of this block into a link. */
  readonly definitions: number;
  readonly token: Token;
  /** For a heading: how deep it lies in the text's outline, from 1, without the gaps that models leave. */
  readonly outline: number;
}

const parser = new Marked({
  gfm: true,
  breaks: false,
  // Without these two rules "<" begins no token of its own and is read as text.
  tokenizer: { html: () => undefined, tag: () => undefined },
});

/** Splits a text into its blocks, in order; blank space between them is dropped. U+0000 is replaced (CommonMark §2.3). */
export function parseBlocks(text: string): readonly Block[] {
  const tokens: TokensList = parser.lexer(text.replaceAll('\0', '\ufffd'));
  const definitions = Object.keys(tokens.links).length;
  const blocks: Block[] = [];
  const above: number[] = [];
  for (const token of tokens) {
    if (token.type !== 'space' && token.type !== 'def') {
      blocks.push({ raw: token.raw, definitions, token, outline: outlineDepth(token, above) });
    }
  }
  return blocks;
}

/** above: levels of the headings that enclose this point, outermost first; kept up to date. */
function outlineDepth(token: Token, above: number[]): number {
  if (token.type !== 'heading') return above.length;
  const level = (token as Tokens.Heading).depth;
  while (above.length > 0 && above.at(-1)! >= level) above.pop();
  return above.push(level);
}
