/** The specification of train-product in double precision. */

/** As `ProductOperand`, with numbers in place of a buffer. */
export interface OperandValues {
  readonly data: ArrayLike<number>;
  readonly offset?: number;
  readonly batch?: number;
  readonly share?: number;
  readonly step: number;
  readonly depth: number;
  readonly hasOnes?: boolean;
}

export interface ProductInput {
  readonly batches: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly left: OperandValues;
  readonly right: OperandValues;
}

/** @returns [batches, rows, columns], and per element Σ|aₖbₖ|, which its error scales with. */
export function productReference(input: ProductInput): { out: Float64Array; magnitude: Float64Array } {
  const { batches, rows, columns, depth, left, right } = input;
  const out = new Float64Array(batches * rows * columns);
  const magnitude = new Float64Array(out.length);
  for (let batch = 0; batch < batches; batch++) {
    for (let m = 0; m < rows; m++) {
      for (let n = 0; n < columns; n++) {
        const index = (batch * rows + m) * columns + n;
        for (let k = 0; k < depth; k++) {
          const a = left.hasOnes && k === depth - 1 ? 1 : elementOf(left, batch, m, k);
          const b = right.hasOnes && n === columns - 1 ? 1 : elementOf(right, batch, n, k);
          out[index]! += a * b;
          magnitude[index]! += Math.abs(a * b);
        }
      }
    }
  }
  return { out, magnitude };
}

function elementOf(operand: OperandValues, index: number, at: number, k: number): number {
  const { data, offset = 0, batch = 0, share = 1, step, depth } = operand;
  return data[offset + Math.floor(index / share) * batch + at * step + k * depth]!;
}
