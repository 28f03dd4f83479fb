/** Products of 4-bit weights with packed vectors: mat-vec-integer.wgsl. */
import { invariant } from '../../errors.ts';
import type { Arena } from '../runtime/arena.ts';
import { prepareKernel } from '../runtime/define-kernel.ts';
import { type Dispatch, gridOf } from '../runtime/dispatch.ts';
import { expectBytes } from '../runtime/expect-bytes.ts';
import type { Gpu } from '../runtime/gpu.ts';
import { type MatrixPart, rowStride } from '../runtime/matrix.ts';
import type { BufferSlice } from '../runtime/tensor.ts';
import { packedBytes } from '../shared/packed-vector.ts';
import { integerDefinition, packDefinition } from './integer-definitions.ts';
import type {
  Finish,
  HeadOutputs,
  MatVec,
  MatVecArgs,
  MatVecOptions,
  MatVecShape,
  ReadAhead,
} from './mat-vec.ts';
import { headUniforms, noHeads, noReaders, partBytes, partUniforms, rowsPerOutput } from './part-uniforms.ts';
import { formatConstants, smallestSubgroup } from './product-constants.ts';

const rowsPerTeam = 4;

export async function prepareIntegerProduct(
  gpu: Gpu,
  shape: MatVecShape,
  options: MatVecOptions,
): Promise<MatVec> {
  const { format, finish } = shape;
  invariant(format.kind === 'q4', `mat-vec by integers takes 4-bit weights, got ${format.kind}`);
  const lanes = options.lanes ?? lanesFor(shape);
  const pairs = options.pairs ?? pairsFor(shape);
  const rowsPerGroup = 2 * rowsPerTeam * pairs;
  // a power of two that divides the lanes
  const together = Math.min(32, smallestSubgroup(gpu));
  const [kernel, pack] = await Promise.all([
    prepareKernel(gpu, integerDefinition, {
      ...{ lanes, rowsPerTeam, together },
      ...formatConstants(format),
    }),
    preparePack(gpu),
  ]);
  return (arena, args) => {
    const { label, matrix, bias, out, nextGain, heads, ahead } = args;
    const outputs = matrix.rows / rowsPerOutput(finish);
    if (out.packed) {
      expectBytes(`${label}: packed outputs`, out.packed, packedBytes(outputs));
      if (nextGain) expectBytes(`${label}: gain of the outputs`, nextGain, outputs * 4);
      invariant(
        (rowsPerGroup / rowsPerOutput(finish)) % 8 === 0,
        `${label}: a workgroup that packs makes whole octets`,
      );
    }
    const made = args.x.packed ? undefined : pack(arena, args);
    const x = args.x.packed ?? made!.packed;
    expectBytes(`${label}: packed x`, x, packedBytes(rowStride(matrix.columns)));
    const bound = boundForEnd(arena, args);
    const products = matrix.parts.map((part, index) => {
      const uniforms = partUniforms(finish, args, part);
      const { groups, ...rows } = rowsOf(part, finish, pairs, heads);
      invariant(
        !out.packed || uniforms.firstOut % 8 === 0,
        `${label}: a part starts within an octet of outputs`,
      );
      const reading = ahead && index === 0 ? readersOf(ahead, lanes / together) : noReaders;
      return kernel.dispatch(arena, {
        label,
        bindings: {
          weights: part.weights,
          scales: part.scales ?? part.weights,
          x,
          bias: bias ?? x,
          out,
          ...bound,
          nextGain: bound.nextGain ?? x,
        },
        uniforms: {
          ...uniforms,
          ...rows,
          ...reading,
          ...(heads ? headUniforms(heads, uniforms.firstOut) : noHeads),
          pairs,
          packs: out.packed ? (nextGain ? 2 : 1) : 0,
        },
        workgroups: heads ? groups : gridOf(reading.readers + groups[0]),
        bytes: partBytes(matrix, part),
      });
    });
    return made ? [made.dispatch, ...products] : products;
  };
}

/** What is bound for the end of a product, which heads and packed outputs share. Something must be bound where there is nothing
 *  to write. */
function boundForEnd(arena: Arena, { label, out, nextGain, heads, ahead }: MatVecArgs) {
  if (heads) {
    invariant(!out.packed && !ahead, `${label}: heads are not packed, nor is anything read ahead with them`);
    const { step, angles, keyCache, valueCache } = heads;
    return { step, nextGain: angles, packedOut: keyCache, aheadCache: valueCache };
  }
  return {
    step: ahead?.step ?? { buffer: arena.uniform('no step', new ArrayBuffer(16)) },
    nextGain,
    packedOut: out.packed ?? { buffer: arena.placeholder('packedOut') },
    aheadCache: ahead?.cache ?? { buffer: arena.placeholder('aheadCache') },
  };
}

/** Which rows a workgroup takes, and how many workgroups that makes: a row of them for each head, where there are heads. */
function rowsOf(part: MatrixPart, finish: Finish, pairs: number, heads: HeadOutputs | undefined) {
  if (heads) {
    const { headDim } = heads;
    const pairsOfHead = headDim / 2 / rowsPerTeam;
    invariant(
      pairsOfHead % pairs === 0,
      `a head of ${headDim} rows does not make workgroups of ${pairs} pairs`,
    );
    const groups = [pairsOfHead / pairs, part.rows / headDim] as const;
    return { stride: rowsPerTeam, apart: headDim / 2, groups };
  }
  const groups = [Math.ceil(part.rows / (2 * rowsPerTeam * pairs))] as const;
  return finish === 'gated'
    ? { stride: rowsPerTeam, apart: part.rows / 2, groups }
    : { stride: 2 * rowsPerTeam, apart: rowsPerTeam, groups };
}

/** Rows enough to fill a device are taken by more together. A workgroup that packs gated outputs makes whole octets. */
function pairsFor({ rows, finish }: MatVecShape): number {
  if (finish === 'heads') return 1;
  if (rows >= 16384) return 4;
  return finish === 'gated' ? 2 : 1;
}

/** Words that are on their way at a time: measured on an H200, half as many or twice as many gain less. */
const wordsAtOnce = 64;

/** @param subgroups of a workgroup, each of which reads a word at a time */
function readersOf({ cache }: ReadAhead, subgroups: number) {
  const [heads, capacity, headDim] = cache.shape;
  invariant(heads && capacity && headDim, `read ahead: [heads, capacity, headDim], got [${cache.shape}]`);
  return {
    readers: Math.ceil(wordsAtOnce / subgroups),
    aheadHeads: heads,
    aheadHeadWords: (capacity * headDim) / 2,
    aheadRowWords: headDim / 2,
  };
}

/** As few tiles as a workgroup of at most 256 allows, of equal size. */
function lanesFor({ columns }: MatVecShape): number {
  const blocks = rowStride(columns) / 32;
  const tiles = Math.ceil(blocks / 256);
  return Math.ceil(blocks / tiles / 32) * 32;
}

interface Made {
  readonly dispatch: Dispatch;
  readonly packed: BufferSlice;
}

async function preparePack(gpu: Gpu): Promise<(arena: Arena, args: MatVecArgs) => Made> {
  const kernel = await prepareKernel(gpu, packDefinition);
  return (arena, { label, matrix, x, norm }) => {
    const stride = rowStride(matrix.columns);
    const packed = { buffer: arena.buffer(`${label}.packed`, packedBytes(stride)) };
    const dispatch = kernel.dispatch(arena, {
      label: `${label}.packed`,
      bindings: { x, gain: norm?.gain ?? x, packedOut: packed },
      uniforms: { blocks: stride / 32, normed: Number(norm !== undefined) },
      workgroups: [Math.ceil(stride / 8 / 64)],
      bytes: 4 * stride + packedBytes(stride),
    });
    return { dispatch, packed };
  };
}
