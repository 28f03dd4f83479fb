/** Which WGSL makes each variant of the product, and what it binds. */
import { defineKernel, type KernelDefinition } from '../runtime/define-kernel.ts';
import type { KernelVariant } from '../runtime/gpu.ts';
import type { MatrixFormat } from '../runtime/matrix.ts';
import inputs from '../shared/inputs.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import weightsBf16 from '../shared/weights-bf16.wgsl?raw';
import weightsF16 from '../shared/weights-f16.wgsl?raw';
import weightsF32 from '../shared/weights-f32.wgsl?raw';
import weightsQ4 from '../shared/weights-q4.wgsl?raw';
import weightsQ8 from '../shared/weights-q8.wgsl?raw';
import shared from './mat-vec.wgsl?raw';
import serial from './mat-vec-serial.wgsl?raw';
import staged from './mat-vec-staged.wgsl?raw';
import subgroup from './mat-vec-subgroup.wgsl?raw';
import workgroup from './mat-vec-workgroup.wgsl?raw';
import plainX from './plain-x.wgsl?raw';

const common = { weights: 'read', scales: 'read', x: 'read', bias: 'read', out: 'write' } as const;
const uniforms = {
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
  packs: 'u32',
  readers: 'u32',
  aheadHeads: 'u32',
  aheadHeadWords: 'u32',
  aheadRowWords: 'u32',
} as const;
const formatSources = { q4: weightsQ4, q8: weightsQ8, f16: weightsF16, bf16: weightsBf16, f32: weightsF32 };
const variantSources = {
  workgroup: [plainX, staged, workgroup],
  subgroup: [plainX, staged, subgroup],
  serial: [plainX, serial],
};

/** 'integer': q4 weights against inputs rounded to 16 bits, for devices with subgroups and packed integer products. */
export type MatVecVariant = KernelVariant | 'integer';

const floatBindings = { ...common, gain: 'read' } as const;

export type FloatDefinition = KernelDefinition<typeof floatBindings, typeof uniforms>;

function defineFloat(kind: MatrixFormat['kind'], variant: KernelVariant): FloatDefinition {
  const enable = variant === 'subgroup' ? ['enable subgroups;'] : [];
  return defineKernel({
    name: `mat-vec-${kind}-${variant}`,
    sources: [...enable, inputs, formatSources[kind], shared, ...variantSources[variant]],
    bindings: floatBindings,
    uniforms,
    constants: [
      ...['lanes', 'rowsPerTeam', 'hasNorm'],
      ...(kind === 'q4' || kind === 'q8' ? ['groupShift', 'wideScales'] : []),
      ...(variant === 'subgroup' ? ['together'] : []),
    ],
    features: variant === 'subgroup' ? ['subgroups'] : [],
  });
}

const kinds = ['q4', 'q8', 'f16', 'bf16', 'f32'] as const;
/** By format and variant. */
export const floatDefinitions: ReadonlyMap<string, FloatDefinition> = new Map(
  kinds.flatMap((kind) =>
    (['workgroup', 'subgroup', 'serial'] as const).map((variant): [string, FloatDefinition] => [
      `${kind} ${variant}`,
      defineFloat(kind, variant),
    ]),
  ),
);

/** Read when first wanted: most models and devices never want them. */
const packedOctet = () => import('../shared/packed-octet.wgsl?raw');
const integerSources = [
  () => import('./packed-inputs.wgsl?raw'),
  () => import('./read-ahead.wgsl?raw'),
  () => import('./mat-vec-integer.wgsl?raw'),
];

export const integerDefinition = defineKernel({
  name: 'mat-vec-q4-integer',
  sources: ['enable subgroups;', stepSource, inputs, weightsQ4, shared, packedOctet, ...integerSources],
  bindings: { ...common, nextGain: 'read', packedOut: 'write', aheadCache: 'read', step: 'uniform' },
  uniforms,
  constants: ['lanes', 'rowsPerTeam', 'groupShift', 'wideScales', 'together'],
  features: ['subgroups'],
});

/** Packs an input that its maker has not. */
export const packDefinition = defineKernel({
  name: 'mat-vec-pack',
  sources: [packedOctet, () => import('./pack-inputs.wgsl?raw')],
  bindings: { x: 'read', gain: 'read', packedOut: 'write' },
  uniforms: { blocks: 'u32', normed: 'u32' },
});
