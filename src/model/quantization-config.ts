/** MLX affine quantisation as config.json describes it. Other schemes are refused by name. */
import { AppError } from '../errors.ts';
import { isJsonObject, type JsonFields } from './json-fields.ts';

/** w = scale · q + bias, one scale and bias for each group of `groupSize` inputs of a row. */
export interface AffineQuantization {
  readonly bits: 4 | 8;
  readonly groupSize: 32 | 64 | 128;
}

export interface QuantizationConfig extends AffineQuantization {
  /** Module name (`model.embed_tokens`) → its own quantisation; null: not quantised. */
  readonly overrides: ReadonlyMap<string, AffineQuantization | null>;
}

/** Reads `quantization` and `quantization_config`; null when the model is not quantised.
 *  @throws AppError "model-unsupported" for other schemes, modes, bits or group sizes,
 *  "file-malformed" when the two fields disagree or a parameter is missing. */
export function parseQuantizationConfig(config: JsonFields): QuantizationConfig | null {
  const parsed = ['quantization', 'quantization_config']
    .filter((key) => config.has(key))
    .map((key) => parseOne(config.nested(key)));
  const [first = null, second] = parsed;
  if (first && second && canonical(first) !== canonical(second)) {
    throw new AppError(
      'file-malformed',
      `${config.file}: quantization and quantization_config describe different quantisations. ` +
        'They must agree; check the file, or choose another model.',
      { details: { file: config.file } },
    );
  }
  return first;
}

/** How one module's matrix is quantised; null: it is not.
 *  MLX leaves a matrix unquantised when its columns are no multiple of the general group size.
 *  @throws AppError "file-malformed" when the module's own group size does not divide its columns. */
export function quantizationOf(
  config: QuantizationConfig | null,
  module: string,
  columns: number,
  file: string,
): AffineQuantization | null {
  if (config === null) return null;
  const own = config.overrides.get(module);
  if (own === null) return null;
  if (own && columns % own.groupSize !== 0) {
    throw new AppError(
      'file-malformed',
      `${file}: ${module} has ${columns} columns, no multiple of its group_size ${own.groupSize}. ` +
        'Check the file, or choose another model.',
      { details: { file, module } },
    );
  }
  const { bits, groupSize } = own ?? config;
  return columns % groupSize === 0 ? { bits, groupSize } : null;
}

function parseOne(fields: JsonFields): QuantizationConfig {
  if (fields.has('quant_method')) {
    throw fields.unsupported('quant_method', 'MLX affine quantisation and unquantised weights');
  }
  const overrides = new Map<string, AffineQuantization | null>();
  const general = parseAffine(fields);
  for (const module of fields.keys()) {
    const value = fields.get(module);
    if (['bits', 'group_size', 'mode', 'quant_method'].includes(module) || value === null) continue;
    if (value === false) overrides.set(module, null);
    else if (isJsonObject(value)) overrides.set(module, parseAffine(fields.nested(module)));
    else if (value !== true) throw fields.unsupported(module, 'per-module settings and false in this place');
  }
  return { ...general, overrides };
}

function parseAffine(fields: JsonFields): AffineQuantization {
  if (fields.has('mode') && fields.get('mode') !== 'affine') {
    throw fields.unsupported('mode', 'the mode "affine"');
  }
  const bits = fields.integer('bits', 1);
  if (bits !== 4 && bits !== 8) throw fields.unsupported('bits', '4 and 8 bits');
  const groupSize = fields.integer('group_size', 1);
  if (groupSize !== 32 && groupSize !== 64 && groupSize !== 128) {
    throw fields.unsupported('group_size', 'groups of 32, 64 and 128');
  }
  return { bits, groupSize };
}

function canonical(config: QuantizationConfig): string {
  const entries = [...config.overrides].map(([module, own]) => [module, own?.bits, own?.groupSize] as const);
  return JSON.stringify([config.bits, config.groupSize, entries.sort()]);
}
