/** Scores that mean nothing: what a selection by chance ranks tokens by. As in kernels/shared/random-score.wgsl. */

/** The score of a token for the query at `position`: u32, larger is better, the most recent first among equals. */
export function randomScore(seed: number, position: number, list: number, token: number): number {
  const ofStep = mixed(mixed(seed + 0x9e3779b9) ^ position);
  return mixed(mixed(ofStep + list) + token);
}

/** The finaliser of MurmurHash3, 32 bits. */
function mixed(value: number): number {
  let bits = value >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b) >>> 0;
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35) >>> 0;
  return (bits ^ (bits >>> 16)) >>> 0;
}
