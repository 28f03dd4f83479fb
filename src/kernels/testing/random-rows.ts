/** Random queries, cache and masks for kernels that attend to chosen tokens, many rows at once. */
import type { Arena } from '../runtime/arena.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import type { Random } from './random.ts';

export interface RowsSize {
  readonly headDim: number;
  readonly qHeads: number;
  readonly kvHeads: number;
  /** kvHeads or qHeads. */
  readonly lists: number;
  readonly position: number;
  readonly rows: number;
  /** Rows that buffers have room for; three more than there are unless told. */
  readonly room?: number;
}

export interface RandomRows {
  /** Rows that buffers have room for: more than there are. */
  readonly room: number;
  readonly capacity: number;
  readonly bindings: {
    readonly step: BufferSlice;
    readonly query: BufferSlice;
    readonly keys: BufferSlice;
    readonly values: BufferSlice;
    readonly mask: BufferSlice;
  };
  /** Attended tokens by list and row, ascending; the row's own is always among them. */
  readonly sets: readonly (readonly (readonly number[])[])[];
  /** What attendTokens takes for one head of one row. */
  rowOf(
    row: number,
    head: number,
  ): {
    query: Float64Array;
    keys: Float64Array;
    values: Float64Array;
    tokens: readonly number[];
  };
  /** log2 Σ e^(q · k / √headDim) over tokens. */
  scaleOf(row: number, head: number, tokens: readonly number[]): number;
  /** Largest Σ|q · k| / √headDim there is, and largest |value|. */
  readonly scoreMagnitude: number;
  readonly largestValue: number;
}

export function randomRows(arena: Arena, random: Random, size: RowsSize): RandomRows {
  const { headDim, qHeads, kvHeads, lists, position, rows } = size;
  const capacity = Math.ceil((position + rows + 1) / 4) * 4 + 4;
  const room = size.room ?? rows + 3;
  const query = random.normals(room * qHeads * headDim, 1.5);
  const halves = () =>
    Uint16Array.from({ length: kvHeads * capacity * headDim }, () => halfFromFloat(random.normal()));
  const [keyBits, valueBits] = [halves(), halves()];
  const [keys, values] = [keyBits, valueBits].map((bits) => Float64Array.from(bits, floatFromHalf));
  const words = Math.ceil(capacity / 32);
  const mask = new Uint32Array(lists * room * words);
  const density = random.next();
  const sets = Array.from({ length: lists }, (_, list) =>
    Array.from({ length: rows }, (_, row) => {
      const n = position + row + 1;
      const all = Array.from({ length: n }, (_, token) => token);
      // Dense, sparse, and with long stretches left out.
      const isOut = row % 3 === 2 ? (token: number) => token < n / 2 : () => random.next() > density;
      const set = all.filter((token) => token === n - 1 || !isOut(token));
      for (const token of set) {
        const at = (list * room + row) * words + (token >> 5);
        mask[at] = mask[at]! | (1 << (token & 31));
      }
      return set;
    }),
  );
  const upload = (name: string, data: Uint32Array<ArrayBuffer>) =>
    arena.tensorFrom(name, 'u32', [data.length], data);
  const rowOf = (row: number, head: number) => {
    const kvHead = Math.floor((head * kvHeads) / qHeads);
    const n = position + row + 1;
    const from = kvHead * capacity * headDim;
    const at = (row * qHeads + head) * headDim;
    return {
      query: Float64Array.from(query.subarray(at, at + headDim)),
      keys: keys!.subarray(from, from + n * headDim),
      values: values!.subarray(from, from + n * headDim),
      tokens: sets[Math.floor((head * lists) / qHeads)]![row]!,
    };
  };
  const longest = (rowsOf: ArrayLike<number>): number => {
    let most = 0;
    for (let begin = 0; begin < rowsOf.length; begin += headDim) {
      let sum = 0;
      for (let d = 0; d < headDim; d++) sum += rowsOf[begin + d]! ** 2;
      most = Math.max(most, Math.sqrt(sum));
    }
    return most;
  };
  return {
    room,
    capacity,
    bindings: {
      step: { buffer: arena.uniform('step', Uint32Array.of(position, rows, 0, 0).buffer) },
      query: arena.tensorFrom('query', 'f32', [room, qHeads, headDim], query),
      keys: upload('keys', new Uint32Array(keyBits.buffer)),
      values: upload('values', new Uint32Array(valueBits.buffer)),
      mask: upload('mask', mask),
    },
    sets,
    rowOf,
    scaleOf(row, head, tokens) {
      const given = rowOf(row, head);
      const scores = tokens.map((token) => {
        let score = 0;
        for (let d = 0; d < headDim; d++) score += given.query[d]! * given.keys[token * headDim + d]!;
        return score / Math.sqrt(headDim);
      });
      const highest = Math.max(...scores);
      return (
        (highest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - highest), 0))) * Math.LOG2E
      );
    },
    scoreMagnitude: (longest(query) * longest(keys!)) / Math.sqrt(headDim),
    largestValue: values!.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  };
}
