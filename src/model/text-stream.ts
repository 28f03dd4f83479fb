/** Turns token ids into text one by one. Work per token is constant; text is given out as soon as it is certain. */

/** What the stream needs to know of a tokenizer. */
export interface TokenText {
  readonly leadingSpaces: number;
  /** null: the id stands for no text. */
  tokenBytes(id: number): Uint8Array | null;
  isSpecial(id: number): boolean;
}

/** The pieces joined are the decoding of all ids at once: bytes of an incomplete character wait for the rest of it,
 *  bytes that can no longer become a character are U+FFFD, as the Encoding Standard says. */
export class TextStream {
  readonly #tokenizer: TokenText;
  readonly #skipSpecialTokens: boolean;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #spacesToDrop: number;

  /** Special tokens are dropped unless told. */
  constructor(tokenizer: TokenText, options: { readonly skipSpecialTokens?: boolean } = {}) {
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = options.skipSpecialTokens ?? true;
    this.#spacesToDrop = tokenizer.leadingSpaces;
  }

  /** Text that is complete with this token; may be empty. */
  push(token: number): string {
    if (this.#skipSpecialTokens && this.#tokenizer.isSpecial(token)) return '';
    const bytes = this.#tokenizer.tokenBytes(token);
    return bytes === null ? '' : this.#dropLeadingSpaces(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What is left at the end: U+FFFD for a character that never became complete, else nothing. */
  end(): string {
    return this.#dropLeadingSpaces(this.#decoder.decode());
  }

  #dropLeadingSpaces(text: string): string {
    if (this.#spacesToDrop === 0 || text === '') return text;
    let start = 0;
    while (start < this.#spacesToDrop && text[start] === ' ') start++;
    this.#spacesToDrop = start < text.length ? 0 : this.#spacesToDrop - start;
    return text.slice(start);
  }
}
