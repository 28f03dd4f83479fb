/** Which WGSL makes each variant of the product, and what it binds. */
import { defineKernel, type KernelDefinition } from '../runtime/define-kernel.ts';
import type { KernelVariant } from '../runtime/gpu.ts';
import type { MatrixFormat } from '../runtime/matrix.ts';
import inputs from '../shared/inputs.wgsl?raw';
import weightsBf16 from '../shared/weights-bf16.wgsl?raw';
import weightsF16 from '../shared/weights-f16.wgsl?raw';
import weightsF32 from '../shared/weights-f32.wgsl?raw';
import weightsQ4 from '../shared/weights-q4.wgsl?raw';
import weightsQ8 from '../shared/weights-q8.wgsl?raw';
import integerOutputsPlain from './integer-outputs-plain.wgsl?raw';
import shared from './mat-vec.wgsl?raw';
import serial from './mat-vec-serial.wgsl?raw';
import staged from './mat-vec-staged.wgsl?raw';
import subgroup from './mat-vec-subgroup.wgsl?raw';
import workgroup from './mat-vec-workgroup.wgsl?raw';
import plainX from './plain-x.wgsl?raw';

const bindings = {
  weights: 'read',
  scales: 'read',
  x: 'read',
  gain: 'read',
  bias: 'read',
  out: 'write',
} as const;
const uniforms = {
  rows: 'u32',
  blocks: 'u32',
  columns: 'u32',
  firstOut: 'u32',
  upBias: 'u32',
  eps: 'f32',
  outBlocks: 'u32',
} as const;
/** Beside these, where outputs are packed. */
const packedOutputBindings = { nextGain: 'read', packedOut: 'write' } as const;
const formatSources = { q4: weightsQ4, q8: weightsQ8, f16: weightsF16, bf16: weightsBf16, f32: weightsF32 };
const variantSources = {
  workgroup: [plainX, staged, workgroup],
  subgroup: [plainX, staged, subgroup],
  serial: [plainX, serial],
};
/** Read when first wanted: most models and devices never want them. */
const integerSources = {
  main: () => import('./mat-vec-integer.wgsl?raw'),
  packedOctet: () => import('./packed-octet.wgsl?raw'),
  inputsPlain: () => import('./integer-inputs-plain.wgsl?raw'),
  inputsPacked: () => import('./integer-inputs-packed.wgsl?raw'),
  outputsPacked: () => import('./integer-outputs-packed.wgsl?raw'),
};
const structure = ['lanes', 'rowsPerTeam', 'hasNorm', 'hasBias', 'finishKind'];

/** 'integer': q4 weights against inputs rounded to 16 bits, for devices with subgroups and packed integer products. */
export type MatVecVariant = KernelVariant | 'integer';

export type MatVecDefinition = KernelDefinition<typeof bindings, typeof uniforms>;

function define(kind: MatrixFormat['kind'], variant: KernelVariant): MatVecDefinition {
  const enable = variant === 'subgroup' ? ['enable subgroups;'] : [];
  return defineKernel({
    name: `mat-vec-${kind}-${variant}`,
    sources: [...enable, inputs, formatSources[kind], shared, ...variantSources[variant]],
    bindings,
    uniforms,
    constants: [
      ...structure,
      ...(kind === 'q4' || kind === 'q8' ? ['groupShift', 'wideScales'] : []),
      ...(variant === 'subgroup' ? ['together'] : []),
    ],
    features: variant === 'subgroup' ? ['subgroups'] : [],
  });
}

/** Of the variant 'integer', by who rounds its inputs and whether it packs its outputs. */
export function integerName(hasPackedInputs: boolean, packsOutputs: boolean): string {
  return `integer${hasPackedInputs ? '-packed' : ''}${packsOutputs ? '-packing' : ''}`;
}

function defineInteger(hasPackedInputs: boolean, packsOutputs: boolean): MatVecDefinition {
  const declared = packsOutputs ? { ...bindings, ...packedOutputBindings } : bindings;
  return defineKernel({
    name: `mat-vec-q4-${integerName(hasPackedInputs, packsOutputs)}`,
    sources: [
      'enable subgroups;',
      ...[inputs, weightsQ4, shared],
      ...(hasPackedInputs && !packsOutputs ? [] : [integerSources.packedOctet]),
      ...(hasPackedInputs ? [integerSources.inputsPacked] : [plainX, integerSources.inputsPlain]),
      ...(packsOutputs ? [integerSources.outputsPacked] : [integerOutputsPlain]),
      integerSources.main,
    ],
    bindings: declared,
    uniforms,
    constants: [
      ...structure,
      ...['groupShift', 'wideScales', 'together', 'teams'],
      ...(packsOutputs ? ['scalesOutputs'] : []),
    ],
    features: ['subgroups'],
  });
}

const kinds = ['q4', 'q8', 'f16', 'bf16', 'f32'] as const;
export const definitions: ReadonlyMap<string, MatVecDefinition> = new Map([
  ...kinds.flatMap((kind) =>
    (['workgroup', 'subgroup', 'serial'] as const).map((variant): [string, MatVecDefinition] => [
      `${kind} ${variant}`,
      define(kind, variant),
    ]),
  ),
  ...[false, true].flatMap((hasPackedInputs) =>
    [false, true].map((packsOutputs): [string, MatVecDefinition] => [
      `q4 ${integerName(hasPackedInputs, packsOutputs)}`,
      defineInteger(hasPackedInputs, packsOutputs),
    ]),
  ),
]);
