/** The signature maps of a model, as `hash_attention.safetensors` beside it states them. Everything that could make the
 *  engine hash with the wrong maps is refused here, by name, before a weight is read. */
import { AppError } from '../errors.ts';
import { canonicalRope, parseCanonicalRope } from './canonical-rope.ts';
import type { ModelConfig } from './config.ts';
import { describeJson } from './json-fields.ts';
import type { RopeConfig } from './rope-config.ts';
import type { SafetensorsHeader, TensorEntry } from './safetensors.ts';

/** One linear map, its heads stacked: y = W · x + b. */
export interface HashMapStage {
  readonly inputs: number;
  readonly outputs: number;
  /** [heads, outputs, inputs], F16 or F32. */
  readonly weight: TensorEntry;
  /** [heads, outputs], F16 or F32. */
  readonly bias: TensorEntry;
}

/** Stages in the order they apply, SiLU between them. */
export interface HashMapLayer {
  /** Heads: qHeads. */
  readonly query: readonly HashMapStage[];
  /** Heads: kvHeads or qHeads, as `sharing` says. */
  readonly key: readonly HashMapStage[];
}

export interface HashMaps {
  /** Of a signature. */
  readonly bits: 32 | 64;
  /** Which heads have a key map of their own. */
  readonly sharing: 'kv-head' | 'query-head';
  /** How the maps were trained to be compared. */
  readonly score: 'asymmetric' | 'hamming';
  /** 1 to 4: bits a summed query is quantised to. */
  readonly queryBits: number;
  /** The model they were trained on, as its trainer named it. */
  readonly model: string;
  /** Longest context they were trained on, in tokens. */
  readonly trainedLength: number;
  /** Canonical JSON of the RoPE they were trained under; the model's own where the file is silent. */
  readonly rope: string;
  /** How much of a budget of tokens each layer needs, 1 on average; null where the file is silent. */
  readonly layerBudgets: readonly number[] | null;
  readonly layers: readonly HashMapLayer[];
}

export const hashMapsFile = 'hash_attention.safetensors';

/** Widest stage, in and out: what the kernels hold in workgroup memory. */
export const maxMapWidth = 256;

/** What the kernels' table of widths has room for. */
export const maxMapStages = 15;

/** @throws AppError "file-malformed" naming the field or tensor that is missing, ill formed or does not fit the model;
 *  "model-unsupported" for another format version or activation. */
export function parseHashMaps(
  { metadata, entries }: SafetensorsHeader,
  config: ModelConfig,
  file: string = hashMapsFile,
): HashMaps {
  const fields = new Metadata(metadata, file);
  fields.oneOf('format', ['hash-attention']);
  fields.supported('version', '1');
  fields.supported('activation', 'silu');
  const bits = fields.oneOf('bits', ['32', '64']) === '32' ? 32 : 64;
  const sharing = fields.oneOf('sharing', ['kv-head', 'query-head']);
  const score = fields.oneOf('score', ['asymmetric', 'hamming']);
  const queryBits = Number(fields.oneOf('query_bits', ['1', '2', '3', '4']));
  const model = fields.string('model');
  const trainedLength = fields.count('trained_length');
  const rope = metadata.has('rope')
    ? parseCanonicalRope(fields.string('rope'), fields.subject('rope'))
    : canonicalRope(config.rope);
  const layerBudgets = metadata.has('layer_budgets') ? fields.shares('layer_budgets', config.layers) : null;
  const heads = { query: config.qHeads, key: sharing === 'kv-head' ? config.kvHeads : config.qHeads };
  const layers = parseLayers(entries, { heads, bits, layers: config.layers, headDim: config.headDim, file });
  return { bits, sharing, score, queryBits, model, trainedLength, rope, layerBudgets, layers };
}

/** Whether maps may be used without a warning: they rank nothing sensibly under a RoPE or at a distance they never saw. */
export type HashMapsFit =
  | { readonly kind: 'fits' }
  | { readonly kind: 'other-rope'; readonly trained: string; readonly running: string }
  | {
      readonly kind: 'beyond-trained-length';
      readonly trainedLength: number;
      readonly contextLength: number;
    };

/** @param running what the engine runs: its RoPE, extended or not, and the planned context in tokens. */
export function hashMapsFit(
  maps: HashMaps,
  running: { readonly rope: RopeConfig; readonly contextLength: number },
): HashMapsFit {
  const rope = canonicalRope(running.rope);
  if (rope !== maps.rope) return { kind: 'other-rope', trained: maps.rope, running: rope };
  const { contextLength } = running;
  if (contextLength <= maps.trainedLength) return { kind: 'fits' };
  return { kind: 'beyond-trained-length', trainedLength: maps.trainedLength, contextLength };
}

interface Expected {
  readonly heads: { readonly query: number; readonly key: number };
  readonly bits: number;
  readonly layers: number;
  readonly headDim: number;
  readonly file: string;
}

const namePattern = /^layers\.(0|[1-9]\d*)\.(query|key)\.(0|[1-9]\d*)\.(weight|bias)$/;

function parseLayers(entries: readonly TensorEntry[], expected: Expected): HashMapLayer[] {
  const unread = new Map(entries.map((entry) => [entry.name, entry]));
  const layers = Array.from({ length: expected.layers }, (_, layer) => ({
    query: parseStages(unread, `layers.${layer}.query`, expected.heads.query, expected),
    key: parseStages(unread, `layers.${layer}.key`, expected.heads.key, expected),
  }));
  const extra = [...unread.keys()][0];
  if (extra === undefined) return layers;
  const why = namePattern.test(extra)
    ? `is not accounted for: the model has ${expected.layers} layers, and stages are numbered from 0 without gaps`
    : 'has a name this format does not know';
  throw malformed(expected.file, `tensor ${extra} ${why}`);
}

/** Takes the stages of one map out of `unread`: widths chain from headDim to bits. */
function parseStages(
  unread: Map<string, TensorEntry>,
  map: string,
  heads: number,
  { bits, headDim, file }: Expected,
): HashMapStage[] {
  const take = (name: string, expected: string, fits: (shape: readonly number[]) => boolean): TensorEntry => {
    const entry = unread.get(name);
    const want = `expected F16 or F32 ${expected}`;
    if (entry === undefined) throw malformed(file, `tensor ${name} is missing; ${want}`);
    if ((entry.dtype !== 'F16' && entry.dtype !== 'F32') || !fits(entry.shape)) {
      throw malformed(file, `tensor ${name}: ${want}, got ${entry.dtype} [${entry.shape.join(', ')}]`);
    }
    unread.delete(name);
    return entry;
  };
  const stages: HashMapStage[] = [];
  let inputs = headDim;
  do {
    const module = `${map}.${stages.length}`;
    const from = inputs;
    const weight = take(
      `${module}.weight`,
      `[${heads}, 1 to ${maxMapWidth}, ${from}]`,
      ([first, out = 0, last, ...rest]) =>
        first === heads && out >= 1 && out <= maxMapWidth && last === from && rest.length === 0,
    );
    const outputs = weight.shape[1]!;
    const bias = take(
      `${module}.bias`,
      `[${heads}, ${outputs}]`,
      ([first, out, ...rest]) => first === heads && out === outputs && rest.length === 0,
    );
    stages.push({ inputs, outputs, weight, bias });
    inputs = outputs;
  } while (unread.has(`${map}.${stages.length}.weight`));
  if (stages.length > maxMapStages) {
    throw malformed(
      file,
      `tensor ${map}.${maxMapStages}.weight is one stage more than the ${maxMapStages} supported`,
    );
  }
  if (inputs === bits) return stages;
  throw malformed(
    file,
    `tensor ${map}.${stages.length - 1}.weight gives ${inputs} values; bits says ${bits}`,
  );
}

/** By which the mean of shares may differ from 1: they may be written with three digits. */
const shareTolerance = 1e-3;

/** Reads the header's metadata, which holds strings only. */
class Metadata {
  readonly #values: ReadonlyMap<string, string>;
  readonly #file: string;

  constructor(values: ReadonlyMap<string, string>, file: string) {
    this.#values = values;
    this.#file = file;
  }

  subject(key: string): string {
    return `${this.#file}: metadata ${key}`;
  }

  oneOf<const T extends string>(key: string, allowed: readonly T[]): T {
    const value = allowed.find((each) => each === this.#values.get(key));
    if (value === undefined) throw this.#malformed(key, allowed.join(' or '));
    return value;
  }

  string(key: string): string {
    const value = this.#values.get(key);
    if (!value) throw this.#malformed(key, 'a text that is not empty');
    return value;
  }

  count(key: string): number {
    const value = this.#values.get(key) ?? '';
    const count = Number(value);
    if (!/^[1-9]\d*$/.test(value) || !Number.isSafeInteger(count)) {
      throw this.#malformed(key, 'a whole number of at least 1');
    }
    return count;
  }

  /** JSON of so many positive numbers of mean 1. */
  shares(key: string, count: number): number[] {
    const values = parseNumbers(this.#values.get(key) ?? '');
    const sum = values?.reduce((a, b) => a + b, 0) ?? 0;
    const isRight = values?.length === count && values.every((each) => each > 0);
    if (!isRight || Math.abs(sum / count - 1) > shareTolerance) {
      throw this.#malformed(key, `JSON of ${count} positive numbers, one per layer, of mean 1`);
    }
    return values;
  }

  /** Well formed, and perhaps of a later engine. */
  supported(key: string, only: string): void {
    const value = this.string(key);
    if (value === only) return;
    throw new AppError(
      'model-unsupported',
      `${this.subject(key)} is ${describeJson(value)}; this engine supports ${only}. Use another file, or remove it.`,
      { details: { file: this.#file, field: key } },
    );
  }

  #malformed(key: string, expected: string): AppError {
    return malformed(
      this.#file,
      `metadata ${key} must be ${expected}, got ${describeJson(this.#values.get(key))}`,
    );
  }
}

/** Null where the text is no JSON of finite numbers. */
function parseNumbers(text: string): number[] | null {
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    return null;
  }
  return Array.isArray(values) && values.every(Number.isFinite) ? values : null;
}

function malformed(file: string, fault: string): AppError {
  return new AppError(
    'file-malformed',
    `${file}: ${fault}. The file does not fit this model; use another, or remove it.`,
    { details: { file } },
  );
}
