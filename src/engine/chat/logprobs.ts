/** Log-probabilities in OpenAI's shape. */
import type { TokenLogprob } from '../api.ts';
import type { ChatTokenLogprob } from './chat-types.ts';

/** A token's UTF-8 bytes, which may be part of a character; null for ids that stand for no text. */
export type TokenBytes = (token: number) => Uint8Array | null;

/** `token` is the text of `bytes`, with U+FFFD where they are part of a character. */
export function chatLogprob(entry: TokenLogprob, tokenBytes: TokenBytes): ChatTokenLogprob {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const named = ({ token, logprob }: { readonly token: number; readonly logprob: number }) => {
    const bytes = tokenBytes(token);
    return { token: bytes ? decoder.decode(bytes) : '', logprob, bytes: bytes ? [...bytes] : null };
  };
  return { ...named(entry), top_logprobs: entry.top.map(named) };
}
