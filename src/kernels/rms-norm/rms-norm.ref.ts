/** The specification of rms-norm in double precision. x: [rows, width]; weight: [width]. */
export function rmsNormReference(
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  rows: number,
  width: number,
  eps: number,
): Float64Array {
  const out = new Float64Array(rows * width);
  for (let row = 0; row < rows; row++) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[row * width + i]! ** 2;
    const factor = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++) out[row * width + i] = x[row * width + i]! * factor * weight[i]!;
  }
  return out;
}
