/** Several matrices in one place of a network. */
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Matrix } from '../../kernels/runtime/matrix.ts';

/** They stand for one matrix, stacked, whose formats differ. */
export type Stack = readonly Matrix[];

/** Applies `product` to each matrix of a stack, telling where its rows go. */
export function stacked(
  stack: Stack,
  product: (matrix: Matrix, outOffset: number) => Dispatch[],
): Dispatch[] {
  let outOffset = 0;
  return stack.flatMap((matrix) => {
    const dispatches = product(matrix, outOffset);
    outOffset += matrix.rows;
    return dispatches;
  });
}
