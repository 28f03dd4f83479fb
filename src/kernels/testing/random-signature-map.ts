/** Random signature maps, in GPU memory and as the reference takes them. */
import type { MapStage } from '../hash-reference/signature-map.ref.ts';
import type { Arena } from '../runtime/arena.ts';
import { floatFromHalf, halfFromFloat } from '../shared/half.ts';
import { packSignatureMap, type SignatureMap } from '../shared/signature-map.ts';
import type { Random } from './random.ts';

export interface RandomSignatureMap {
  readonly map: SignatureMap;
  /** The same weights, rounded to f16. */
  readonly stages: readonly MapStage[];
}

export function randomSignatureMap(
  arena: Arena,
  random: Random,
  heads: number,
  widths: readonly number[],
): RandomSignatureMap {
  const stages = widths.slice(1).map((outputs, i) => {
    const inputs = widths[i]!;
    const weight = random.normals(heads * outputs * inputs, 1.5 / Math.sqrt(inputs));
    return {
      inputs,
      outputs,
      weight: weight.map((value) => floatFromHalf(halfFromFloat(value))),
      bias: random.normals(heads * outputs, 0.3),
    };
  });
  return { map: signatureMapOf(arena, heads, stages), stages };
}

/** Uploads a map. */
export function signatureMapOf(arena: Arena, heads: number, stages: readonly MapStage[]): SignatureMap {
  const { weights, biases } = packSignatureMap(heads, stages);
  return {
    heads,
    widths: [stages[0]!.inputs, ...stages.map(({ outputs }) => outputs)],
    weights: arena.tensorFrom('map weights', 'u32', [weights.length], weights),
    biases: arena.tensorFrom('map biases', 'f32', [biases.length], biases),
  };
}
