/** The specification of train-activate in double precision. */

export function activateReference(kind: 'silu' | 'tanh' | 'sign', beta: number, x: number): number {
  switch (kind) {
    case 'silu':
      return x / (1 + Math.exp(-x));
    case 'tanh':
      return Math.tanh(beta * x);
    case 'sign':
      return x > 0 ? 1 : -1;
    default:
      throw kind satisfies never;
  }
}

/** The derivative by x. */
export function activateSlope(kind: 'silu' | 'tanh', beta: number, x: number): number {
  const share = 1 / (1 + Math.exp(-x));
  if (kind === 'silu') return share * (1 + x * (1 - share));
  return beta / Math.cosh(beta * x) ** 2;
}
