/** The kernels a set of tasks needs, compiled before the first byte arrives. */

import { invariant } from '../../errors.ts';
import type { CheckFinite } from '../../kernels/check-finite/check-finite.ts';
import {
  type PlaceScales,
  preparePlaceScales,
  type ScalePlacement,
} from '../../kernels/place-scales/place-scales.ts';
import type { Quantize } from '../../kernels/quantize/quantize.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { MatrixFormat } from '../../kernels/runtime/matrix.ts';
import type { ToHalf } from '../../kernels/to-half/to-half.ts';
import { loadPart } from '../load-part.ts';
import type { TensorTask } from './tensor-tasks.ts';
import { type FloatKind, floatKindOf } from './weight-formats.ts';

/** How a tensor gets to its place.
 *  copy: words of a matrix that is quantised in the file. keep: floats as they are, checked. vector: by the CPU. */
export type Method =
  | { readonly kind: 'vector'; readonly source: FloatKind }
  | { readonly kind: 'copy' }
  | { readonly kind: 'keep'; readonly source: FloatKind; readonly check: CheckFinite }
  | { readonly kind: 'convert'; readonly source: 'f32' | 'bf16'; readonly toHalf: ToHalf }
  | {
      readonly kind: 'quantize';
      readonly source: FloatKind;
      readonly bits: 4 | 8;
      readonly quantize: Quantize;
    }
  | { readonly kind: 'scales'; readonly source: FloatKind; readonly place: PlaceScales };

/** Compiles what is missing; the pipeline cache makes repeated requests cheap. */
export async function methodFor(gpu: Gpu, { entry, target }: TensorTask): Promise<Method> {
  const source = floatKindOf(entry);
  if (target.kind === 'weights' && source === null) return { kind: 'copy' };
  invariant(source, `${entry.name} is of a float type`);
  switch (target.kind) {
    case 'vector':
      return { kind: 'vector', source };
    case 'scales': {
      const placement = placementOf(source, target.matrix.format);
      return { kind: 'scales', source, place: await preparePlaceScales(gpu, placement) };
    }
    case 'weights': {
      const { kind } = target.matrix.format;
      const { prepareCheckFinite, prepareQuantize, prepareToHalf } = await loadPart(
        import('./convert-kernels.ts'),
      );
      if (kind === 'q4' || kind === 'q8') {
        const bits = kind === 'q4' ? 4 : 8;
        return { kind: 'quantize', source, bits, quantize: await prepareQuantize(gpu, source, bits) };
      }
      if (kind === source) return { kind: 'keep', source, check: await prepareCheckFinite(gpu) };
      invariant(kind === 'f16' && source !== 'f16', `${entry.name}: no way from ${source} to ${kind}`);
      return { kind: 'convert', source, toHalf: await prepareToHalf(gpu, source) };
    }
    default:
      return target satisfies never;
  }
}

function placementOf(source: FloatKind, format: MatrixFormat): ScalePlacement {
  invariant(format.kind === 'q4' || format.kind === 'q8', `${format.kind} has no scales`);
  if (format.scales === 'f32') return `${source} f32`;
  invariant(source === 'f16', `${source} scales do not fit f16 pairs`);
  return 'f16 f16';
}
