/** From how many tokens on a sparse step should be faster than a dense one, by bytes and dispatches alone. */
import { hashStepBytes } from './hash-step-bytes.ts';

export interface CrossoverShape {
  readonly name: string;
  readonly kvHeads: number;
  readonly group: number;
  /** Of the signature maps; the first is headDim, the last the bits. */
  readonly widths: readonly number[];
}

export interface CrossoverDevice {
  /** Bytes per second. */
  readonly bandwidth: number;
  /** Seconds per dependent dispatch. */
  readonly latency: number;
}

/** Default model, Llama 3.2 1B, 3B and Llama 3.1 8B, with maps as published except the default model's own. */
export const crossoverShapes: readonly CrossoverShape[] = [
  { name: 'default model', kvHeads: 3, group: 3, widths: [64, 64, 32] },
  { name: '1B', kvHeads: 8, group: 4, widths: [64, 128, 128, 32] },
  { name: '3B', kvHeads: 8, group: 3, widths: [128, 128, 128, 32] },
  { name: '8B', kvHeads: 8, group: 4, widths: [128, 128, 128, 32] },
];

const dispatches = { dense: 2, sparse: 4 } as const;

/** Seconds of attention per layer. dense = all of K and V / bandwidth + 2 · latency; sparse = (maps + signatures + attended
 *  K and V) / bandwidth + 4 · latency, with sink and window of 128 tokens and 1/denominator of the context. */
export function predictedSeconds(
  { kvHeads, group, widths }: CrossoverShape,
  { bandwidth, latency }: CrossoverDevice,
  context: number,
  denominator: number,
): { readonly dense: number; readonly sparse: number } {
  const denseBytes = 4 * kvHeads * context * widths[0]!;
  const sparseBytes = hashStepBytes({ context, kvHeads, group, widths, denominator });
  return {
    dense: denseBytes / bandwidth + dispatches.dense * latency,
    sparse: sparseBytes / bandwidth + dispatches.sparse * latency,
  };
}

/** The least context from which sparse attention is predicted to be faster, and stays so: the difference grows with the
 *  context where more is left out than signatures take. */
export function predictedCrossover(
  shape: CrossoverShape,
  device: CrossoverDevice,
  denominator: number,
): number {
  const isFaster = (context: number): boolean => {
    const { dense, sparse } = predictedSeconds(shape, device, context, denominator);
    return sparse < dense;
  };
  let high = 1;
  while (!isFaster(high)) high *= 2;
  let low = high / 2;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isFaster(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** A line per shape, a column per bandwidth in GB/s. */
export function crossoverTable(latency: number, denominator: number): string[] {
  const bandwidths = [50, 100, 200, 400];
  return [
    `predicted crossover in tokens, 1/${denominator}, L ${(latency * 1e6).toFixed(1)} µs, at ${bandwidths.join(', ')} GB/s`,
    ...crossoverShapes.map((shape) => {
      const tokens = bandwidths.map((gigabytes) =>
        predictedCrossover(shape, { bandwidth: gigabytes * 1e9, latency }, denominator),
      );
      return `${shape.name}: ${tokens.join(', ')}`;
    }),
  ];
}
