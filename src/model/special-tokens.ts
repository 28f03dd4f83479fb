/** The special tokens tokenizer_config.json names, by what they are for. */
import { isJsonObject, type JsonFields } from './json-fields.ts';

export interface SpecialTokens {
  readonly bos: string | null;
  readonly eos: string | null;
  readonly unk: string | null;
  readonly pad: string | null;
  readonly additional: readonly string[];
}

/** A token is a string or an object with `content`, as old and recent files have it.
 *  @throws AppError "file-malformed" for anything else. */
export function parseSpecialTokens(config: JsonFields): SpecialTokens {
  const tokenOf = (key: string, value: unknown): string => {
    const content = isJsonObject(value) ? value.content : value;
    if (typeof content !== 'string')
      throw config.malformed(key, 'a token: a string, or an object with "content"');
    return content;
  };
  const one = (key: string) => (config.has(key) ? tokenOf(key, config.get(key)) : null);
  const key = 'additional_special_tokens';
  const list = config.has(key) ? config.get(key) : [];
  if (!Array.isArray(list)) throw config.malformed(key, 'a list of tokens');
  return {
    bos: one('bos_token'),
    eos: one('eos_token'),
    unk: one('unk_token'),
    pad: one('pad_token'),
    additional: list.map((value) => tokenOf(key, value)),
  };
}
