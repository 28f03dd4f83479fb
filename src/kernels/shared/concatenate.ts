/** The numbers of all parts, one part after another, as a new array of `kind`. */
export function concatenate<T extends Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(
  kind: new (length: number) => T,
  parts: readonly ArrayLike<number>[],
): T {
  const all = new kind(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
