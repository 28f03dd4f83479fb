import type { LayerLayout } from './map-layout.ts';

/** Weight of one list's row in the loss: a mean over queries and their heads, or over every score where each is a case
 *  of its own. */
export function lossShare(
  loss: 'mass' | 'bce',
  { lists, headsPerList }: LayerLayout,
  rows: number,
  tokens: number,
): number {
  return 1 / (lists * rows * (loss === 'mass' ? headsPerList : tokens));
}
