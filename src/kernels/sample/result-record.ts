/** What the sampler leaves of each token in the ring of results; the layout is written in finish.wgsl. */
import { invariant } from '../../errors.ts';

export const recordBytes = 256;

export interface ResultRecord {
  readonly token: number;
  /** ln probability of the token by the model's own logits, before bias, penalties and temperature;
   *  null: none was asked for. */
  readonly logprob: number | null;
  /** The most probable tokens by the same measure, most probable first, lower id first of equal ones. */
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** @param record the 256 bytes at `(index % ringSlots) * recordBytes` of the results buffer. */
export function parseResultRecord(record: ArrayBuffer, byteOffset = 0): ResultRecord {
  const words = new Uint32Array(record, byteOffset, recordBytes / 4);
  const floats = new Float32Array(record, byteOffset, recordBytes / 4);
  const count = words[2]!;
  invariant(count <= 20, `a result record holds at most 20 alternatives, got ${count}`);
  const logprob = floats[1]!;
  return {
    token: words[0]!,
    logprob: Number.isNaN(logprob) ? null : logprob,
    top: Array.from({ length: count }, (_, i) => ({
      token: words[3 + 2 * i]!,
      logprob: floats[4 + 2 * i]!,
    })),
  };
}
