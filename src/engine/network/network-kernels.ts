/** The kernels one network needs, compiled for its shapes, in the network's own words. Everything slow (compiling)
 *  happens in `prepareNetworkKernels`; the functions returned only build dispatches. */
import { invariant } from '../../errors.ts';
import { type AttendPrefill, prepareAttendPrefill } from '../../kernels/attend-prefill/attend-prefill.ts';
import { type Embed, prepareEmbed } from '../../kernels/embed/embed.ts';
import { prepareGatedSilu } from '../../kernels/gated-silu/gated-silu.ts';
import { type MatMul, prepareMatMul } from '../../kernels/mat-mul/mat-mul.ts';
import type { ReadAhead } from '../../kernels/mat-vec/mat-vec.ts';
import { prepareRmsNorm } from '../../kernels/rms-norm/rms-norm.ts';
import { prepareRopeAppend } from '../../kernels/rope-append/rope-append.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type { Dispatch } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { Matrix, MatrixFormat } from '../../kernels/runtime/matrix.ts';
import type { Tensor } from '../../kernels/runtime/tensor.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { GpuWeights, LayerWeights } from '../load/gpu-weights.ts';
import type { Activation } from './activations.ts';
import { headsByProducts, headsByRopeAppend } from './decode-heads.ts';
import { type DecodeProducts, prepareDecodeProducts, rotatesHeads } from './decode-products.ts';
import { type Stack, stacked } from './stacked.ts';

interface ProductArgs<V extends Tensor> {
  readonly x: V;
  readonly bias: Tensor | null;
  readonly out: V;
}

interface NormedProductArgs extends ProductArgs<Activation> {
  readonly gain: Tensor;
}

type RowsArgs<T> = T & { readonly rows: number };

interface CacheArgs {
  readonly step: Tensor;
  readonly keyCache: Tensor;
  readonly valueCache: Tensor;
  readonly capacity: number;
}

interface HeadsArgs extends CacheArgs {
  readonly query: Tensor;
}

export interface NetworkKernels {
  embed(arena: Arena, label: string, embedding: Matrix, args: EmbedRows): Dispatch[];
  /** One token's heads: query = rope(W · norm(x) + bias) of its query rows; keys, rotated likewise, and values are appended to
   *  the cache. */
  projectHeads(
    arena: Arena,
    label: string,
    args: HeadsArgs & { readonly x: Activation; readonly layer: LayerWeights; readonly qkv: Tensor },
  ): Dispatch[];
  /** out = W · norm(x) + bias, one token. */
  project(arena: Arena, label: string, stack: Stack, args: NormedProductArgs): Dispatch[];
  /** out += W · x + bias, one token. nextGain: of the norm through which a packed `out` is read. */
  addProduct(
    arena: Arena,
    label: string,
    matrix: Matrix,
    args: ProductArgs<Activation> & { readonly nextGain?: Tensor; readonly ahead?: ReadAhead },
  ): Dispatch[];
  /** out = silu(gate · norm(x)) · (up · norm(x)), one token. */
  gatedProduct(
    arena: Arena,
    label: string,
    stack: Stack,
    args: NormedProductArgs & { readonly gateUp: Tensor; readonly ahead?: ReadAhead },
  ): Dispatch[];
  ropeAppend(
    arena: Arena,
    label: string,
    args: HeadsArgs & { readonly qkv: Tensor; readonly layer: LayerWeights; readonly rows: number },
  ): Dispatch;
  /** The same operations over many rows. */
  normRows(arena: Arena, label: string, args: RowsArgs<{ x: Tensor; gain: Tensor; out: Tensor }>): Dispatch;
  projectRows(arena: Arena, label: string, stack: Stack, args: RowsArgs<ProductArgs<Tensor>>): Dispatch[];
  addProductRows(
    arena: Arena,
    label: string,
    matrix: Matrix,
    args: RowsArgs<ProductArgs<Tensor>>,
  ): Dispatch[];
  gateRows(arena: Arena, label: string, args: RowsArgs<{ gateUp: Tensor; out: Tensor }>): Dispatch;
  attendRows(
    arena: Arena,
    label: string,
    args: HeadsArgs & { readonly out: Tensor; readonly rows: number },
  ): Dispatch;
}

interface EmbedRows {
  readonly tokens: Tensor;
  readonly out: Tensor;
  readonly rows: number;
}

/** @param angles cos and sin, f32 [plannedContext or more, headDim / 2, 2] */
export async function prepareNetworkKernels(
  gpu: Gpu,
  config: ModelConfig,
  weights: GpuWeights,
  angles: Tensor,
): Promise<NetworkKernels> {
  const [embed, norm, gate, ropeAppend, attendPrefill, matVecs, matMuls] = await Promise.all([
    prepareEmbed(gpu, weights.embedding.format),
    prepareRmsNorm(gpu),
    prepareGatedSilu(gpu),
    prepareRopeAppend(gpu, { qkNorm: config.hasQkNorm }),
    prepareAttendPrefill(gpu, config.headDim),
    prepareDecodeProducts(gpu, config, weights),
    prepareMatMuls(gpu, weights),
  ]);
  const both = shared(config, angles, embed, ropeAppend);
  const products = decodeProducts(config, matVecs, gate);
  return {
    ...both,
    ...products,
    projectHeads: rotatesHeads(gpu, config, weights)
      ? headsByProducts(config, angles, matVecs)
      : headsByRopeAppend(products.project, both.ropeAppend),
    ...rowKernels(config, { norm, gate, attendPrefill, matMuls }),
  };
}

type PreparedGate = Awaited<ReturnType<typeof prepareGatedSilu>>;
type PreparedNorm = Awaited<ReturnType<typeof prepareRmsNorm>>;
type PreparedRopeAppend = Awaited<ReturnType<typeof prepareRopeAppend>>;

function shared(config: ModelConfig, angles: Tensor, embed: Embed, append: PreparedRopeAppend) {
  return {
    embed: (arena, label, matrix, args) => embed(arena, { label, matrix, ...args }),
    ropeAppend: (arena, label, { layer, ...args }) =>
      append(arena, {
        label,
        ...args,
        angles,
        ...(layer.queryNorm && layer.keyNorm ? { queryNorm: layer.queryNorm, keyNorm: layer.keyNorm } : {}),
        qHeads: config.qHeads,
        kvHeads: config.kvHeads,
        headDim: config.headDim,
        eps: config.normEps,
      }),
  } satisfies Partial<NetworkKernels>;
}

function decodeProducts(config: ModelConfig, matVecs: DecodeProducts, gate: PreparedGate) {
  const project: NetworkKernels['project'] = (arena, label, stack, { x, gain, bias, out }) =>
    stacked(stack, (matrix, outOffset) =>
      matVecs(arena, 'store', {
        label,
        matrix,
        x,
        norm: { gain, eps: config.normEps },
        ...(bias ? { bias } : {}),
        out,
        outOffset,
      }),
    );
  return {
    project,
    addProduct: (arena, label, matrix, { bias, ...args }) =>
      matVecs(arena, 'add', { label, matrix, ...args, ...(bias ? { bias } : {}) }),
    gatedProduct: (arena, label, stack, { gateUp, ...args }) => {
      const [fused, ...rest] = stack;
      invariant(fused, `${label}: no gate and up matrices`);
      if (rest.length > 0) {
        return [
          ...project(arena, `${label}.gateUp`, stack, { ...args, out: gateUp }),
          gate(arena, { label, projected: gateUp, out: args.out, rows: 1, ffn: config.ffn }),
        ];
      }
      const { gain, bias, ...vectors } = args;
      const norm = { gain, eps: config.normEps };
      return matVecs(arena, 'gated', { label, matrix: fused, norm, ...(bias ? { bias } : {}), ...vectors });
    },
  } satisfies Partial<NetworkKernels>;
}

function rowKernels(
  config: ModelConfig,
  kernels: { norm: PreparedNorm; gate: PreparedGate; attendPrefill: AttendPrefill; matMuls: MatMuls },
) {
  const { norm, gate, attendPrefill, matMuls } = kernels;
  return {
    normRows: (arena, label, { x, gain, out, rows }) =>
      norm(arena, { label, x, weight: gain, out, rows, width: config.hidden, eps: config.normEps }),
    projectRows: (arena, label, stack, { x, bias, out, rows }) => {
      const outStride = stack.reduce((sum, matrix) => sum + matrix.rows, 0);
      return stacked(stack, (matrix, outOffset) =>
        matMuls(matrix.format)(arena, {
          label,
          matrix,
          x,
          xStride: matrix.columns,
          out,
          outStride,
          outOffset,
          tokens: rows,
          accumulate: false,
          ...(bias ? { bias, biasOffset: outOffset } : {}),
        }),
      );
    },
    addProductRows: (arena, label, matrix, { x, bias, out, rows }) =>
      matMuls(matrix.format)(arena, {
        label,
        matrix,
        x,
        xStride: matrix.columns,
        out,
        outStride: matrix.rows,
        outOffset: 0,
        tokens: rows,
        accumulate: true,
        ...(bias ? { bias } : {}),
      }),
    gateRows: (arena, label, { gateUp, out, rows }) =>
      gate(arena, { label, projected: gateUp, out, rows, ffn: config.ffn }),
    attendRows: (arena, label, { rows, keyCache, valueCache, ...args }) =>
      attendPrefill(arena, {
        label,
        ...args,
        keys: keyCache,
        values: valueCache,
        queryStride: config.qHeads * config.headDim,
        tokens: rows,
        qHeads: config.qHeads,
        kvHeads: config.kvHeads,
      }),
  } satisfies Partial<NetworkKernels>;
}

type MatMuls = (format: MatrixFormat) => MatMul;

async function prepareMatMuls(gpu: Gpu, weights: GpuWeights): Promise<MatMuls> {
  const matrices = [
    weights.head,
    ...weights.layers.flatMap((layer) => [...layer.qkv, layer.output, ...layer.gateUp, layer.down]),
  ];
  const formats = new Map(matrices.map(({ format }) => [JSON.stringify(format), format]));
  const prepared = new Map<string, MatMul>();
  await Promise.all(
    [...formats].map(async ([key, format]) => prepared.set(key, await prepareMatMul(gpu, format))),
  );
  return (format) => {
    const product = prepared.get(JSON.stringify(format));
    invariant(product, `no mat-mul prepared for ${JSON.stringify(format)}`);
    return product;
  };
}
