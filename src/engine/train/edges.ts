/** Which tokens of a training sequence signatures need not find. */
import type { TrainOptions } from './train-options.ts';

export interface Edges {
  readonly sink: number;
  readonly window: number;
}

/** Each edge at most this share of the sequence, so that short ones, too, have more to choose from than is given. */
const mostShare = 1 / 16;

/** First tokens and last ones of a context that are attended to anyway. */
export function edgesOf({ sink, window }: Pick<TrainOptions, 'sink' | 'window'>, tokens: number): Edges {
  const most = Math.max(1, Math.floor(tokens * mostShare));
  return { sink: Math.min(sink, most), window: Math.min(window, most) };
}

/** Tokens of the shortest sequence with that many positions between its edges and its end. */
export function leastLength(options: Pick<TrainOptions, 'sink' | 'window' | 'positions'>): number {
  const isTooShort = (tokens: number): boolean => {
    const { sink, window } = edgesOf(options, tokens);
    return tokens < sink + window + options.positions;
  };
  let tokens = options.positions;
  while (isTooShort(tokens)) tokens++;
  return tokens;
}
