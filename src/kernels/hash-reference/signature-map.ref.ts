/** Signature maps in plain loops and double precision: F(x) of one head, and its signs. */

/** One linear map of a signature map, its heads stacked: y = W · x + b. */
export interface MapStage {
  readonly inputs: number;
  readonly outputs: number;
  /** [heads, outputs, inputs] */
  readonly weight: ArrayLike<number>;
  /** [heads, outputs] */
  readonly bias: ArrayLike<number>;
}

/** F(x): the stages in turn, with SiLU, y / (1 + e^−y), between them and not after the last.
 *  @param x [inputs of the first stage]
 *  @returns [outputs of the last stage], the bits before their signs are taken */
export function applyMap(stages: readonly MapStage[], head: number, x: ArrayLike<number>): Float64Array {
  return stages.reduce((values, { inputs, outputs, weight, bias }, stage) => {
    const isLast = stage === stages.length - 1;
    return Float64Array.from({ length: outputs }, (_, row) => {
      let sum = bias[head * outputs + row]!;
      for (let column = 0; column < inputs; column++) {
        sum += weight[(head * outputs + row) * inputs + column]! * values[column]!;
      }
      return isLast ? sum : sum / (1 + Math.exp(-sum));
    });
  }, Float64Array.from(x));
}

/** Bit i is set where values[i] > 0, least significant bit first.
 *  @returns u32 [values / 32] */
export function signatureOf(values: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(values.length / 32);
  for (let i = 0; i < values.length; i++) {
    if (values[i]! > 0) words[i >> 5] = words[i >> 5]! | (1 << (i & 31));
  }
  return words;
}
