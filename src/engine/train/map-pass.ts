/** One map of a layer over many vectors, forwards and backwards, as dispatches. */
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { BufferSlice, Tensor } from '../../kernels/runtime/tensor.ts';
import type { ProductOperand } from '../../kernels/train-product/train-product.ts';
import { type MapLayout, stageSize } from './map-layout.ts';
import type { TrainKernels } from './train-kernels.ts';

/** Vectors summed into one part of a weight's gradient: parts are made side by side and added afterwards. */
const rowsPerSplit = 256;

/** What a map's passes leave: per stage the values before SiLU and after it, f32 [heads, rows, width]. */
export interface MapScratch {
  readonly before: readonly Tensor[];
  /** Of every stage but the last. */
  readonly after: readonly Tensor[];
  /** Slopes of the loss by a stage's values, and by what goes into it. */
  readonly slopes: Tensor;
  readonly inputSlopes: Tensor;
  /** Parts of a stage's gradient: [splits, heads, outputs, inputs + 1]. */
  readonly parts: Tensor;
}

export interface MapPassParts {
  readonly arena: Arena;
  readonly kernels: TrainKernels;
  readonly label: string;
  readonly map: MapLayout;
  readonly scratch: MapScratch;
  /** Uniform `TrainStep`. */
  readonly train: BufferSlice;
  readonly parameters: BufferSlice;
  /** Vectors per head. */
  readonly rows: number;
  /** The vectors that go in: element (head, row, d). */
  readonly input: ProductOperand;
}

/** Allocates for up to `rows` vectors a head. */
export function createMapScratch(arena: Arena, label: string, map: MapLayout, rows: number): MapScratch {
  const { heads, stages } = map;
  const widest = Math.max(...stages.map(({ inputs, outputs }) => Math.max(inputs, outputs)));
  const tensor = (name: string, width: number): Tensor =>
    arena.tensor(`${label}.${name}`, 'f32', [heads, rows, width]);
  const largest = Math.max(...stages.map((stage) => stageSize(heads, stage)));
  return {
    before: stages.map(({ outputs }, i) => tensor(`before[${i}]`, outputs)),
    after: stages.slice(0, -1).map(({ outputs }, i) => tensor(`after[${i}]`, outputs)),
    slopes: tensor('slopes', widest),
    inputSlopes: tensor('inputSlopes', widest),
    parts: arena.tensor(`${label}.parts`, 'f32', [Math.ceil(rows / rowsPerSplit), largest]),
  };
}

/** From the input to `scratch.before`, stage by stage. */
export function mapForward(parts: MapPassParts): Dispatch[] {
  const { arena, kernels, label, map, scratch, train, parameters, rows } = parts;
  return map.stages.flatMap(({ inputs, outputs, offset }, i) => {
    const before = scratch.before[i]!;
    const after = scratch.after[i];
    const product = kernels.product(arena, {
      label: `${label}[${i}]`,
      batches: map.heads,
      rows,
      columns: outputs,
      depth: inputs + 1,
      left: { ...inputOf(parts, i), hasOnes: true },
      right: { data: parameters, offset, batch: outputs * (inputs + 1), step: inputs + 1, depth: 1 },
      out: { data: before, batch: rows * outputs, row: outputs },
    });
    if (after === undefined) return [product];
    const count = map.heads * rows * outputs;
    const activate = { label: `${label}[${i}].silu`, kind: 'silu', train, count } as const;
    return [product, kernels.activate.forward(arena, { ...activate, values: before, out: after })];
  });
}

/** From the slope by the last stage's values to every stage's part of `gradients`.
 *  @param slope f32 [heads / share, rows, bits]: `share` neighbouring heads have the same */
export function mapBackward(
  parts: MapPassParts,
  slope: { readonly data: BufferSlice; readonly share: number },
  gradients: BufferSlice,
): Dispatch[] {
  const { arena, kernels, label, map, scratch, train, parameters, rows } = parts;
  const { heads, stages } = map;
  let own = slope;
  const dispatches: Dispatch[] = [];
  for (let i = stages.length - 1; i >= 0; i--) {
    const stage = stages[i]!;
    const { inputs, outputs, offset } = stage;
    const size = stageSize(heads, stage);
    const splits = Math.ceil(rows / rowsPerSplit);
    const input = inputOf(parts, i);
    const slopes = { data: own.data, batch: rows * outputs, share: own.share };
    dispatches.push(
      kernels.product(arena, {
        label: `${label}[${i}].gradient`,
        batches: heads,
        rows: outputs,
        columns: inputs + 1,
        depth: rows,
        depthPerSplit: Math.min(rows, rowsPerSplit),
        left: { ...slopes, step: 1, depth: outputs },
        right: { ...input, step: input.depth, depth: input.step, hasOnes: true },
        out: { data: scratch.parts, batch: outputs * (inputs + 1), row: inputs + 1, splitStride: size },
      }),
      kernels.sum(arena, {
        label: `${label}[${i}].gradient`,
        values: scratch.parts,
        out: gradients,
        outOffset: offset,
        ...{ outer: 1, terms: splits, inner: size },
      }),
    );
    if (i === 0) break;
    dispatches.push(
      kernels.product(arena, {
        label: `${label}[${i}].inputSlopes`,
        batches: heads,
        rows,
        columns: inputs,
        depth: outputs,
        left: { ...slopes, step: outputs, depth: 1 },
        right: { data: parameters, offset, batch: outputs * (inputs + 1), step: 1, depth: inputs + 1 },
        out: { data: scratch.inputSlopes, batch: rows * inputs, row: inputs },
      }),
      kernels.activate.backward(arena, {
        ...{ label: `${label}[${i - 1}].slopes`, kind: 'silu', train },
        values: scratch.before[i - 1]!,
        slopes: scratch.inputSlopes,
        out: scratch.slopes,
        ...{ outer: heads, terms: 1, inner: rows * inputs },
      }),
    );
    own = { data: scratch.slopes, share: 1 };
  }
  return dispatches;
}

/** What goes into a stage. */
function inputOf({ map, scratch, rows, input }: MapPassParts, stage: number): ProductOperand {
  if (stage === 0) return input;
  const { inputs } = map.stages[stage]!;
  return { data: scratch.after[stage - 1]!, batch: rows * inputs, step: inputs, depth: 1 };
}
