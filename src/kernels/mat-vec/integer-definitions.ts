/** Products by whole numbers: what they are made of, and what they bind. Loaded when first wanted: most models and devices
 *  never want them. */
import { defineKernel } from '../runtime/define-kernel.ts';
import half from '../shared/half.wgsl?raw';
import inputs from '../shared/inputs.wgsl?raw';
import scalePair from '../shared/scale-pair.wgsl?raw';
import stepSource from '../shared/step.wgsl?raw';
import weightsQ4 from '../shared/weights-q4.wgsl?raw';
import { rowBindings, uniforms } from './definitions.ts';
import heads from './heads.wgsl?raw';
import shared from './mat-vec.wgsl?raw';
import integer from './mat-vec-integer.wgsl?raw';
import packInputs from './pack-inputs.wgsl?raw';
import packedInputs from './packed-inputs.wgsl?raw';
import readAhead from './read-ahead.wgsl?raw';
import writeOutputs from './write-outputs.wgsl?raw';

/** Those that pack vectors beside have it, too. */
const packedOctet = () => import('../shared/packed-octet.wgsl?raw');

export const integerDefinition = defineKernel({
  name: 'mat-vec-q4-integer',
  sources: [
    ...['enable subgroups;', stepSource, half, inputs, scalePair, weightsQ4, shared, writeOutputs, heads],
    ...[packedOctet, packedInputs, readAhead, integer],
  ],
  bindings: { ...rowBindings, nextGain: 'read', packedOut: 'write', aheadCache: 'write', step: 'uniform' },
  uniforms,
  constants: ['lanes', 'rowsPerTeam', 'groupShift', 'wideScales', 'together'],
  features: ['subgroups'],
});

/** Packs an input that its maker has not. */
export const packDefinition = defineKernel({
  name: 'mat-vec-pack',
  sources: [packedOctet, packInputs],
  bindings: { x: 'read', gain: 'read', packedOut: 'write' },
  uniforms: { blocks: 'u32', normed: 'u32' },
});
