/** The specification of gated-silu in double precision. projected: [rows, 2 · ffn]. */
export function gatedSiluReference(projected: ArrayLike<number>, rows: number, ffn: number): Float64Array {
  const out = new Float64Array(rows * ffn);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < ffn; i++) {
      const gate = projected[row * 2 * ffn + i]!;
      const up = projected[row * 2 * ffn + ffn + i]!;
      out[row * ffn + i] = (gate / (1 + Math.exp(-gate))) * up;
    }
  }
  return out;
}
