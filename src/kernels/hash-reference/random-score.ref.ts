/** Scores that mean nothing: what a selection by chance ranks tokens by. As in kernels/shared/random-score.wgsl. */

/** PCG-RXS-M-XS of 32 bits. @see Jarzynski and Olano 2020, "Hash Functions for GPU Rendering" */
function pcg(value: number): number {
  const state = (Math.imul(value, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** The score of a token for the query at `position`: u32, larger is better, the most recent first among equals.
 *  @param seed u32, one for each list of each layer: `randomListSeed`. */
export function randomScore(seed: number, position: number, token: number): number {
  return pcg((token + pcg((position + pcg(seed)) >>> 0)) >>> 0);
}

/** The seed of one list: of the policy, plus layer · lists + list. */
export function randomListSeed(seed: number, layer: number, lists: number, list: number): number {
  return (seed + layer * lists + list) >>> 0;
}
