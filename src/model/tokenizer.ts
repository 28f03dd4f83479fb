/** Text to token ids and back, from tokenizer.json and tokenizer_config.json. Encoding is Hugging Face's
 *  tokenizers.js; decoding is our own, by bytes, so that whole texts and streams cannot differ. */
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { AppError } from '../errors.ts';
import { JsonFields } from './json-fields.ts';
import { parseSpecialTokens, type SpecialTokens } from './special-tokens.ts';
import { TextStream, type TokenText } from './text-stream.ts';
import { parseTokenDecoding, type TokenDecoding } from './token-decoding.ts';

export class Tokenizer implements TokenText {
  readonly specialTokens: SpecialTokens;
  readonly #encoder: HuggingFaceTokenizer;
  readonly #decoding: TokenDecoding;
  /** Tokens added beside the vocabulary stand for their own letters. */
  readonly #added: ReadonlyMap<number, string>;
  readonly #specialIds: ReadonlySet<number>;

  constructor(encoder: HuggingFaceTokenizer, decoding: TokenDecoding, specialTokens: SpecialTokens) {
    this.#encoder = encoder;
    this.#decoding = decoding;
    this.specialTokens = specialTokens;
    const added = [...encoder.get_added_tokens_decoder()];
    this.#added = new Map(added.map(([id, token]) => [id, token.content]));
    const { bos, eos, unk, pad, additional } = specialTokens;
    const named = [bos, eos, unk, pad, ...additional].map((token) => token !== null && this.tokenId(token));
    this.#specialIds = new Set([
      ...added.filter(([, token]) => token.special).map(([id]) => id),
      ...named.filter((id) => typeof id === 'number'),
    ]);
  }

  /** One more than the highest id with a token. The model's `vocab` may be larger: the rest is padding. */
  get vocabSize(): number {
    return Math.max(-1, ...this.#added.keys(), (this.#encoder.model?.vocab.length ?? 0) - 1) + 1;
  }

  get specialIds(): ReadonlySet<number> {
    return this.#specialIds;
  }

  get leadingSpaces(): number {
    return this.#decoding.leadingSpaces;
  }

  /** Special tokens written in the text become their ids; `addSpecialTokens` (false unless told) adds those the
   *  model expects around a text, usually one at the beginning. */
  encode(text: string, options: { readonly addSpecialTokens?: boolean } = {}): number[] {
    const { ids } = this.#encoder.encode(text, { add_special_tokens: options.addSpecialTokens ?? false });
    // A vocabulary without unknown token leaves what it cannot write undefined: dropped, as the original does.
    return ids.filter((id) => id !== undefined);
  }

  /** Special tokens are written out unless told. Ids without token stand for nothing. `clean_up_tokenization_spaces`
   *  is not applied: it drops spaces before punctuation, which spoils code. */
  decode(ids: readonly number[], options: { readonly skipSpecialTokens?: boolean } = {}): string {
    const stream = this.textStream({ skipSpecialTokens: options.skipSpecialTokens ?? false });
    return ids.map((id) => stream.push(id)).join('') + stream.end();
  }

  /** For an answer while it is made: special tokens are dropped unless told. */
  textStream(options: { readonly skipSpecialTokens?: boolean } = {}): TextStream {
    return new TextStream(this, options);
  }

  /** UTF-8 of the text a token stands for, which may be part of a character; null for an id without token. */
  tokenBytes(id: number): Uint8Array<ArrayBuffer> | null {
    const added = this.#added.get(id);
    if (added !== undefined) return new TextEncoder().encode(added);
    const token = this.#encoder.id_to_token(id);
    return token === undefined ? null : this.#decoding.bytesOf(token);
  }

  /** The id of a token in its written form, e.g. `<|im_end|>`; null when there is none. */
  tokenId(token: string): number | null {
    return this.#encoder.token_to_id(token) ?? null;
  }

  /** Whether the token steers the model rather than being text. */
  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }
}

/** @param tokenizerJson parsed tokenizer.json; tokenizerConfig: parsed tokenizer_config.json, `{}` where there is none.
 *  @throws AppError "model-unsupported" for a kind of tokenizer we lack, "file-malformed" for broken files. */
export function createTokenizer(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  files: { readonly json?: string; readonly config?: string } = {},
): Tokenizer {
  const jsonFile = files.json ?? 'tokenizer.json';
  const fields = new JsonFields(tokenizerJson, jsonFile);
  const specialTokens = parseSpecialTokens(
    new JsonFields(tokenizerConfig, files.config ?? 'tokenizer_config.json'),
  );
  fields.nested('model');
  const decoding = parseTokenDecoding(fields.get('decoder'), jsonFile);
  try {
    const encoder = new HuggingFaceTokenizer(tokenizerJson as object, tokenizerConfig as object);
    return new Tokenizer(encoder, decoding, specialTokens);
  } catch (cause) {
    throw unreadable(jsonFile, cause);
  }
}

/** The library says "Unknown … type: X" for parts it does not have. */
function unreadable(file: string, cause: unknown): AppError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = /^unknown /i.test(reason) ? 'model-unsupported' : 'file-malformed';
  return new AppError(code, `${file}: no tokenizer can be made of it (${reason}). Choose another model.`, {
    details: { file },
    cause,
  });
}
