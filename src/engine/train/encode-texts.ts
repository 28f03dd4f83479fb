/** Long texts as token ids, piece by piece: a tokenizer takes many times a text's size while it works. */
import { AppError, throwIfAborted } from '../../errors.ts';
import { concatenate } from '../../kernels/shared/concatenate.ts';

/** Characters of all texts together: more than the longest training reads. */
const mostCharacters = 16e6;
const pieceCharacters = 65536;

/** Pieces end at the end of a line where they can.
 *  @throws AppError "invalid-request" for what is no text, or too much; "aborted". */
export async function encodeTexts(
  texts: readonly string[],
  encode: (text: string, options: { readonly addSpecialTokens: boolean }) => readonly number[],
  signal: AbortSignal,
): Promise<Uint32Array> {
  if (!Array.isArray(texts) || !texts.every((text) => typeof text === 'string')) {
    throw new AppError('invalid-request', `text: expected a list of strings; got ${typeof texts}.`);
  }
  const characters = texts.reduce((sum, text) => sum + text.length, 0);
  if (characters > mostCharacters) {
    throw new AppError(
      'invalid-request',
      `The training text has ${characters} characters, more than the ${mostCharacters} that can be read. Give less text.`,
      { details: { characters, most: mostCharacters } },
    );
  }
  const pieces: Uint32Array[] = [];
  for (const text of texts) {
    for (let begin = 0; begin < text.length; ) {
      throwIfAborted(signal);
      const end = pieceEnd(text, begin);
      pieces.push(Uint32Array.from(encode(text.slice(begin, end), { addSpecialTokens: false })));
      begin = end;
      await new Promise((resolve) => setTimeout(resolve, 0)); // lets a stop come through
    }
  }
  return concatenate(Uint32Array, pieces);
}

function pieceEnd(text: string, begin: number): number {
  const most = begin + pieceCharacters;
  if (most >= text.length) return text.length;
  const line = text.lastIndexOf('\n', most - 1);
  if (line > begin) return line + 1;
  const isLowSurrogate = (text.charCodeAt(most) & 0xfc00) === 0xdc00;
  return isLowSurrogate ? most - 1 : most;
}
