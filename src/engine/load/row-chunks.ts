/** Gathers the rows of one tensor, which arrive in pieces of any size, into a fixed buffer, and hands on whole rows. */
import { invariant } from '../../errors.ts';

export interface RowShape {
  readonly rows: number;
  /** Bytes of a row in the file, and in the buffer: the rest is filled with zeros. */
  readonly rowBytes: number;
  readonly pitch: number;
}

/** Rows [firstRow, firstRow + rows) lie at the start of the buffer; it is reused after the promise settles. */
export type PlaceRows = (firstRow: number, rows: number) => Promise<void>;

export class RowChunks {
  readonly #buffer: Uint8Array;
  readonly #shape: RowShape;
  readonly #place: PlaceRows;
  readonly #rowsPerChunk: number;
  #placedRows = 0;
  /** Whole rows in the buffer, and bytes of the one that follows. */
  #rows = 0;
  #partial = 0;

  constructor(buffer: Uint8Array, shape: RowShape, place: PlaceRows) {
    this.#buffer = buffer;
    this.#shape = shape;
    this.#place = place;
    this.#rowsPerChunk = Math.floor(buffer.length / shape.pitch);
    invariant(
      this.#rowsPerChunk > 0,
      `a row of ${shape.pitch} bytes needs a larger buffer than ${buffer.length}`,
    );
  }

  async push(piece: Uint8Array): Promise<void> {
    let at = 0;
    while (at < piece.length) {
      at += this.#take(piece.subarray(at));
      if (this.#rows === this.#rowsPerChunk) await this.#flush();
    }
  }

  /** Hands on what is left; every row must have arrived. */
  async end(): Promise<void> {
    await this.#flush();
    const { rows } = this.#shape;
    invariant(
      this.#partial === 0 && this.#placedRows === rows,
      `expected ${rows} rows, got ${this.#placedRows} and ${this.#partial} bytes`,
    );
  }

  /** Copies as much as fits, one row at a time where rows are padded; gives the bytes taken. */
  #take(piece: Uint8Array): number {
    const { rowBytes, pitch } = this.#shape;
    const isPadded = pitch !== rowBytes;
    const start = this.#rows * pitch + this.#partial;
    const room = isPadded ? rowBytes - this.#partial : this.#rowsPerChunk * pitch - start;
    const count = Math.min(room, piece.length);
    this.#buffer.set(piece.subarray(0, count), start);
    const filled = this.#partial + count;
    this.#rows += Math.floor(filled / rowBytes);
    this.#partial = filled % rowBytes;
    if (isPadded && this.#partial === 0) this.#buffer.fill(0, start + count, this.#rows * pitch);
    return count;
  }

  async #flush(): Promise<void> {
    const rows = this.#rows;
    if (rows === 0) return;
    await this.#place(this.#placedRows, rows);
    this.#placedRows += rows;
    this.#rows = 0;
  }
}
