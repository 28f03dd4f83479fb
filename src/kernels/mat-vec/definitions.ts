/** Which WGSL makes each variant of the product by floats, and what it binds. */
import type { BindingKind, KernelDefinition } from '../runtime/define-kernel.ts';
import type { KernelVariant } from '../runtime/gpu.ts';
import type { MatrixFormat } from '../runtime/matrix.ts';
import half from '../shared/half.wgsl?raw';
import inputs from '../shared/inputs.wgsl?raw';
import scalePair from '../shared/scale-pair.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import weightsQ4 from '../shared/weights-q4.wgsl?raw';
import weightsQ8 from '../shared/weights-q8.wgsl?raw';
import finishHeads from './finish-heads.wgsl?raw';
import finishRows from './finish-rows.wgsl?raw';
import heads from './heads.wgsl?raw';
import shared from './mat-vec.wgsl?raw';
import staged from './mat-vec-staged.wgsl?raw';
import subgroup from './mat-vec-subgroup.wgsl?raw';
import plainX from './plain-x.wgsl?raw';
import writeOutputs from './write-outputs.wgsl?raw';

/** Of products whose outputs are rows. */
export const rowBindings = {
  weights: 'read',
  scales: 'read',
  x: 'read',
  bias: 'read',
  out: 'write',
} as const;
/** Of products by floats, whatever they end with. */
export const floatBindings = {
  weights: 'read',
  scales: 'read',
  x: 'read',
  out: 'write',
  gain: 'read',
} as const;
export const uniforms = {
  rows: 'u32',
  blocks: 'u32',
  columns: 'u32',
  firstOut: 'u32',
  upBias: 'u32',
  outBlocks: 'u32',
  eps: 'f32',
  normed: 'u32',
  biased: 'u32',
  finish: 'u32',
  pairs: 'u32',
  stride: 'u32',
  apart: 'u32',
  packs: 'u32',
  readers: 'u32',
  aheadHeads: 'u32',
  aheadHeadWords: 'u32',
  aheadRowWords: 'u32',
  firstHead: 'u32',
  headDim: 'u32',
  qHeads: 'u32',
  kvHeads: 'u32',
  capacity: 'u32',
} as const;
const formatSources = {
  q4: [scalePair, weightsQ4],
  q8: [scalePair, weightsQ8],
  f16: [() => import('../shared/weights-f16.wgsl?raw')],
  bf16: [() => import('../shared/weights-bf16.wgsl?raw')],
  f32: [() => import('../shared/weights-f32.wgsl?raw')],
};
const variantSources = {
  workgroup: [plainX, staged, () => import('./mat-vec-workgroup.wgsl?raw')],
  subgroup: [plainX, staged, subgroup],
  serial: [plainX, () => import('../shared/quad.wgsl?raw'), () => import('./mat-vec-serial.wgsl?raw')],
};

const kinds = ['q4', 'q8', 'f16', 'bf16', 'f32'] as const;
const variants = ['workgroup', 'subgroup', 'serial'] as const;

/** How a product by floats ends: what it binds for that, and which files do it. */
interface FloatEnd<B extends Record<string, BindingKind>> {
  readonly name: string;
  readonly bindings: B;
  readonly sources: readonly string[];
}

/** By format and variant. */
function defineFloats<const B extends Record<string, BindingKind>>(
  end: FloatEnd<B>,
): ReadonlyMap<string, KernelDefinition<B, typeof uniforms>> {
  return new Map(
    kinds.flatMap((kind) =>
      variants.map((variant) => [`${kind} ${variant}`, defineFloat(end, kind, variant)] as const),
    ),
  );
}

function defineFloat<const B extends Record<string, BindingKind>>(
  { name, bindings, sources }: FloatEnd<B>,
  kind: MatrixFormat['kind'],
  variant: KernelVariant,
): KernelDefinition<B, typeof uniforms> {
  const usesSubgroups = variant !== 'workgroup';
  return {
    name: `mat-vec-${kind}-${variant}${name}`,
    sources: [
      ...(usesSubgroups ? ['enable subgroups;'] : []),
      ...[inputs, ...formatSources[kind], shared, ...sources, ...variantSources[variant]],
    ],
    bindings,
    uniforms,
    constants: [
      ...['lanes', 'rowsPerTeam', 'hasNorm'],
      ...(kind === 'q4' || kind === 'q8' ? ['groupShift', 'wideScales'] : []),
      ...(variant === 'subgroup' ? ['together'] : []),
    ],
    features: usesSubgroups ? ['subgroups'] : [],
  };
}

/** An output of each row, or of a gate row and an up row. */
export const floatRows = defineFloats({
  name: '',
  bindings: { ...rowBindings, gain: 'read' },
  sources: [writeOutputs, finishRows],
});

/** Heads of query, key and value. */
export const floatHeads = defineFloats({
  name: '-heads',
  bindings: {
    ...{ weights: 'read', scales: 'read', x: 'read', angles: 'read', out: 'write', gain: 'read' },
    ...{ keyCache: 'write', valueCache: 'write', step: 'uniform' },
  },
  sources: [stepSource, half, heads, finishHeads],
});
