/** Rotary position embedding as config.json describes it, in both spellings transformers has used. */
import { AppError } from '../errors.ts';
import type { JsonFields } from './json-fields.ts';

/** theta: base of the frequencies; factor: by how much positions are compressed; contexts in tokens. */
export type RopeConfig =
  | { readonly kind: 'default'; readonly theta: number }
  | { readonly kind: 'linear'; readonly theta: number; readonly factor: number }
  | {
      readonly kind: 'llama3';
      readonly theta: number;
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContext: number;
    }
  | {
      readonly kind: 'yarn';
      readonly theta: number;
      readonly factor: number;
      readonly originalContext: number;
      /** Rotations over the original context above which a frequency is kept, and below which it is divided by factor. */
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Multiplies cos and sin. */
      readonly attentionFactor: number;
      /** Whether the bounds of the ramp are rounded outwards to whole dimensions. */
      readonly truncate: boolean;
    };

/** YaRN's attention factor, 0.1 · scale · ln(factor) + 1 (arXiv:2309.00071, section 3.4). */
export function yarnAttentionFactor(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}

/** Reads `rope_scaling` with `rope_theta` (older files) or `rope_parameters` (transformers 5).
 *  @throws AppError "model-unsupported" for other RoPE types, "file-malformed" for parameters missing or ill typed. */
export function parseRopeConfig(config: JsonFields, trainedContext: number): RopeConfig {
  const parameters = ['rope_scaling', 'rope_parameters'].find((key) => config.has(key));
  const scaling = parameters === undefined ? undefined : config.nested(parameters);
  for (const fields of [config, scaling]) {
    if (fields?.has('partial_rotary_factor') && fields.get('partial_rotary_factor') !== 1) {
      throw fields.unsupported('partial_rotary_factor', 'rotation of whole heads (1) only');
    }
  }
  const thetaIn = scaling?.has('rope_theta') ? scaling : config;
  const theta = thetaIn.has('rope_theta')
    ? thetaIn.number('rope_theta', 'a number above 1', (value) => value > 1)
    : 10_000;
  if (scaling === undefined || scaling.keys().length === 0) return { kind: 'default', theta };
  return parseScaling(config, scaling, theta, trainedContext);
}

function parseScaling(
  config: JsonFields,
  scaling: JsonFields,
  theta: number,
  trainedContext: number,
): RopeConfig {
  const nested = scaling.keys().find((key) => /_attention$/.test(key));
  if (nested !== undefined) throw scaling.unsupported(nested, 'one RoPE for all layers');
  const typeKey = scaling.has('rope_type') ? 'rope_type' : 'type';
  const kind = scaling.has(typeKey) ? scaling.string(typeKey) : 'default';
  const positive = (key: string) => scaling.number(key, 'a number above 0', (value) => value > 0);
  const factor = () => scaling.number('factor', 'a number of at least 1', (value) => value >= 1);
  const originalContext = () => {
    const key = 'original_max_position_embeddings';
    const fields = [config, scaling].find((candidate) => candidate.has(key));
    return fields === undefined ? trainedContext : fields.integer(key, 1);
  };
  switch (kind) {
    case 'default':
      return { kind, theta };
    case 'linear':
      return { kind, theta, factor: factor() };
    case 'llama3': {
      const lowFrequencyFactor = positive('low_freq_factor');
      const highFrequencyFactor = scaling.number(
        'high_freq_factor',
        `a number above low_freq_factor (${lowFrequencyFactor})`,
        (value) => value > lowFrequencyFactor,
      );
      return {
        kind,
        theta,
        factor: factor(),
        lowFrequencyFactor,
        highFrequencyFactor,
        originalContext: originalContext(),
      };
    }
    case 'yarn': {
      const original = originalContext();
      // A null factor means: whatever stretches the original context to the stated one.
      const stretch = scaling.has('factor') ? factor() : Math.max(trainedContext / original, 1);
      return {
        kind,
        theta,
        factor: stretch,
        originalContext: original,
        betaFast: positiveOr(scaling, 'beta_fast', 32),
        betaSlow: positiveOr(scaling, 'beta_slow', 1),
        attentionFactor: scaling.has('attention_factor')
          ? positive('attention_factor')
          : attentionFactorFromScales(scaling, stretch),
        truncate: scaling.boolean('truncate', true),
      };
    }
    default:
      throw scaling.unsupported(typeKey, 'the RoPE types default, linear, llama3 and yarn');
  }
}

/** transformers reads an absent, null or zero field as its default. */
function positiveOr(fields: JsonFields, key: string, whenAbsent: number): number {
  if (!fields.has(key)) return whenAbsent;
  return fields.number(key, 'a number of at least 0', (value) => value >= 0) || whenAbsent;
}

function attentionFactorFromScales(scaling: JsonFields, factor: number): number {
  const scale = positiveOr(scaling, 'mscale', 0);
  const scaleAllDimensions = positiveOr(scaling, 'mscale_all_dim', 0);
  if (scale === 0 || scaleAllDimensions === 0) return yarnAttentionFactor(factor);
  return yarnAttentionFactor(factor, scale) / yarnAttentionFactor(factor, scaleAllDimensions);
}

/** The RoPE that carries a model beyond the context it was trained for: YaRN with factor planned / trained,
 *  beta 32 and 1, attention factor 0.1 · ln(factor) + 1. Within the trained context: the model's own.
 *  @throws AppError "invalid-request" when the model's own scaling is one that YaRN does not compose with.
 *  @see Peng et al. 2023, arXiv:2309.00071 */
export function extendContext(
  config: { readonly rope: RopeConfig; readonly trainedContext: number },
  plannedContext: number,
): RopeConfig {
  const { rope, trainedContext } = config;
  if (plannedContext <= trainedContext) return rope;
  if (rope.kind === 'linear' || rope.kind === 'llama3') {
    throw new AppError(
      'invalid-request',
      `A context of ${plannedContext} tokens goes beyond the trained ${trainedContext}, and YaRN cannot extend ` +
        `a model that has ${rope.kind} RoPE scaling already. Plan at most ${trainedContext} tokens.`,
      { details: { plannedContext, trainedContext, rope: rope.kind } },
    );
  }
  const originalContext = rope.kind === 'yarn' ? rope.originalContext : trainedContext;
  const factor = plannedContext / originalContext;
  return {
    kind: 'yarn',
    theta: rope.theta,
    factor,
    originalContext,
    betaFast: 32,
    betaSlow: 1,
    attentionFactor: yarnAttentionFactor(factor),
    truncate: true,
  };
}
