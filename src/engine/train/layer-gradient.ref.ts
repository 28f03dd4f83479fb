/** Loss of one layer and its slope by every parameter, in plain loops and double precision: the specification of a
 *  training step. */
import { activateReference, activateSlope } from '../../kernels/train-activate/train-activate.ref.ts';
import { lossReference } from '../../kernels/train-loss/train-loss.ref.ts';
import { candidateRange, targetReference } from '../../kernels/train-target/train-target.ref.ts';
import { lossShare } from './loss-share.ts';
import type { LayerDimensions, LayerLayout, MapLayout } from './map-layout.ts';

export interface LayerGradientInput {
  readonly dimensions: LayerDimensions;
  readonly layout: LayerLayout;
  readonly parameters: ArrayLike<number>;
  /** After RoPE, [positions, qHeads, headDim]. */
  readonly queries: ArrayLike<number>;
  /** [kvHeads, tokens, headDim] */
  readonly keys: ArrayLike<number>;
  readonly positions: ArrayLike<number>;
  readonly tokens: number;
  readonly sink: number;
  readonly window: number;
  readonly loss: 'mass' | 'bce';
  readonly score: 'asymmetric' | 'hamming';
  readonly beta: number;
}

/** A map's values stage by stage for one input: what goes in and comes out, before SiLU. */
interface MapTrace {
  readonly inputs: readonly Float64Array[];
  readonly outputs: readonly Float64Array[];
}

export interface LayerGradient {
  readonly loss: number;
  readonly gradients: Float64Array;
  /** The least of all rows: where it is near zero, rounding may choose another label. */
  readonly labelGap: number;
}

export function layerGradient(input: LayerGradientInput): LayerGradient {
  const { dimensions, layout, parameters, queries, keys, positions, tokens, score, beta } = input;
  const { qHeads, kvHeads, headDim } = dimensions;
  const { lists, headsPerList, scaleIndex } = layout;
  const rows = positions.length;
  const bits = layout.key.stages.at(-1)!.outputs;
  const gradients = new Float64Array(layout.count);
  const queryAt = (row: number, head: number): Float64Array<ArrayBuffer> =>
    vector(queries, row * qHeads + head, headDim);
  const keyAt = (head: number, token: number): Float64Array<ArrayBuffer> =>
    vector(keys, head * tokens + token, headDim);

  const kvHeadOf = (head: number): number => Math.floor(head / (qHeads / kvHeads));
  const products = Float64Array.from({ length: qHeads * rows * tokens }, (_, i) => {
    const [head, row] = [Math.floor(i / (rows * tokens)), Math.floor(i / tokens) % rows];
    return dot(queryAt(row, head), keyAt(kvHeadOf(head), i % tokens));
  });
  const targets = targetReference({
    ...{ products, positions, lists, heads: headsPerList, tokens },
    ...{ sink: input.sink, window: input.window, scale: 1 / Math.sqrt(headDim) },
  });

  let loss = 0;
  let labelGap = Number.POSITIVE_INFINITY;
  for (let list = 0; list < lists; list++) {
    const kvHead = kvHeadOf(list * headsPerList);
    const keyTraces = range(tokens).map((token) =>
      mapTrace(layout.key, parameters, list, keyAt(kvHead, token)),
    );
    const signs = keyTraces.map((trace) =>
      trace.outputs.at(-1)!.map((z) => activateReference('tanh', beta, z)),
    );
    const signSlopes = signs.map(() => new Float64Array(bits));
    for (let row = 0; row < rows; row++) {
      const traces = range(headsPerList).map((i) => {
        const head = list * headsPerList + i;
        return { head, trace: mapTrace(layout.query, parameters, head, queryAt(row, head)) };
      });
      const values = traces.map(({ trace }) => {
        const z = trace.outputs.at(-1)!;
        return score === 'asymmetric' ? z : z.map((value) => activateReference('tanh', beta, value));
      });
      const sum = Float64Array.from({ length: bits }, (_, bit) => values.reduce((s, v) => s + v[bit]!, 0));
      const { begin, end } = candidateRange(positions[row]!, input);
      const start = (list * rows + row) * tokens;
      const result = lossReference({
        kind: input.loss,
        scores: signs.slice(begin, end).map((sign) => dot(sum, sign)),
        targets: targets.subarray(start + begin, start + end),
        scale: parameters[scaleIndex]!,
        share: lossShare(input.loss, layout, rows, tokens),
      });
      loss += result.loss;
      labelGap = Math.min(labelGap, result.labelGap);
      gradients[scaleIndex]! += result.scaleSlope;
      const sumSlope = new Float64Array(bits);
      result.slopes.forEach((slope, i) => {
        for (let bit = 0; bit < bits; bit++) {
          sumSlope[bit]! += slope * signs[begin + i]![bit]!;
          signSlopes[begin + i]![bit]! += slope * sum[bit]!;
        }
      });
      for (const { head, trace } of traces) {
        const z = trace.outputs.at(-1)!;
        const slope = score === 'asymmetric' ? sumSlope : through('tanh', beta, z, sumSlope);
        addMapGradient(layout.query, parameters, head, trace, slope, gradients);
      }
    }
    keyTraces.forEach((trace, token) => {
      const slope = through('tanh', beta, trace.outputs.at(-1)!, signSlopes[token]!);
      addMapGradient(layout.key, parameters, list, trace, slope, gradients);
    });
  }
  return { loss, gradients, labelGap };
}

function mapTrace(
  map: MapLayout,
  parameters: ArrayLike<number>,
  head: number,
  x: Float64Array<ArrayBuffer>,
): MapTrace {
  const [inputs, outputs]: Float64Array[][] = [[], []];
  let value = x;
  for (const { inputs: width, outputs: count, offset } of map.stages) {
    inputs!.push(value);
    const z = Float64Array.from({ length: count }, (_, row) => {
      const at = offset + (head * count + row) * (width + 1);
      return dot(vectorAt(parameters, at, width), value) + parameters[at + width]!;
    });
    outputs!.push(z);
    value = z.map((y) => activateReference('silu', 1, y));
  }
  return { inputs: inputs!, outputs: outputs! };
}

/** Adds to `gradients` what one input contributes, given the slope by the map's outputs. */
function addMapGradient(
  map: MapLayout,
  parameters: ArrayLike<number>,
  head: number,
  trace: MapTrace,
  slope: Float64Array,
  gradients: Float64Array,
): void {
  let own = slope;
  for (let i = map.stages.length - 1; i >= 0; i--) {
    const { inputs, outputs, offset } = map.stages[i]!;
    const below = new Float64Array(inputs);
    for (let row = 0; row < outputs; row++) {
      const at = offset + (head * outputs + row) * (inputs + 1);
      for (let column = 0; column < inputs; column++) {
        gradients[at + column]! += own[row]! * trace.inputs[i]![column]!;
        below[column]! += own[row]! * parameters[at + column]!;
      }
      gradients[at + inputs]! += own[row]!;
    }
    if (i > 0) own = through('silu', 1, trace.outputs[i - 1]!, below);
  }
}

function through(kind: 'silu' | 'tanh', beta: number, z: Float64Array, slope: Float64Array): Float64Array {
  return slope.map((value, i) => value * activateSlope(kind, beta, z[i]!));
}

function vector(values: ArrayLike<number>, index: number, width: number): Float64Array<ArrayBuffer> {
  return vectorAt(values, index * width, width);
}

function vectorAt(values: ArrayLike<number>, at: number, width: number): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length: width }, (_, i) => values[at + i]!);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
