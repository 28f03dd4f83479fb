/** Query planes in the words of select-tokens, which makes them of what signature maps give: the way in and out. */
/** Values of the maps of a list's `summed` query heads that come to the given planes exactly.
 *  doubling: planes are the bits of levels u, of which one at least must be the lowest or the highest; the first head's
 *  values are 2u − (2^planes − 1), the others' zero. Otherwise a plane is the signs of one head, ±1.
 *  @param planes u32 [planes, words]
 *  @returns [summed, 32 · words] */
export function mapsOfPlanes(
  planes: Uint32Array,
  words: number,
  summed: number,
  doubling: boolean,
): Float32Array<ArrayBuffer> {
  const bits = 32 * words;
  const count = planes.length / words;
  const bitAt = (plane: number, i: number): number => (planes[plane * words + (i >> 5)]! >>> (i & 31)) & 1;
  const mapped = new Float32Array(summed * bits);
  for (let i = 0; i < bits; i++) {
    if (doubling) {
      const level = Array.from({ length: count }, (_, p) => bitAt(p, i) << p).reduce((a, b) => a | b);
      mapped[i] = 2 * level - (2 ** count - 1);
    } else {
      for (let head = 0; head < summed; head++) mapped[head * bits + i] = 2 * bitAt(head, i) - 1;
    }
  }
  return mapped;
}

/** Signatures that tell the levels of all elements: none set, then one at a time. u32 [1 + bits, words] */
export function probingSignatures(words: number): Uint32Array<ArrayBuffer> {
  const bits = 32 * words;
  const signatures = new Uint32Array((bits + 1) * words);
  for (let i = 0; i < bits; i++) signatures[(i + 1) * words + (i >> 5)] = (1 << (i & 31)) >>> 0;
  return signatures;
}

/** What every element's bits of the planes weigh together, from the distances of `probingSignatures`: a set bit takes
 *  the distance from u to (all planes) − u.
 *  @param weight of all planes */
export function levelsOf(distances: ArrayLike<number>, weight: number): number[] {
  return Array.from(
    { length: distances.length - 1 },
    (_, i) => (distances[0]! - distances[i + 1]! + weight) / 2,
  );
}
