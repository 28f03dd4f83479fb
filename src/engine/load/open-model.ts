/** Reads everything small about a model: configs, tokenizer files, the headers of its weight files. Whatever makes it
 *  unusable is found here, before any weight is downloaded. */
import { AppError } from '../../errors.ts';
import { type ModelConfig, parseModelConfig } from '../../model/config.ts';
import { type GenerationConfig, parseGenerationConfig } from '../../model/generation-config.ts';
import type { TensorEntry } from '../../model/safetensors.ts';
import { checkTensors, type WeightManifest, weightManifest } from '../../model/weight-manifest.ts';
import type { ModelSource } from '../source/model-source.ts';
import { type HashSizes, readHashSizes } from './hash-sizes.ts';
import { readLicence } from './read-licence.ts';
import { readJson, readText } from './read-small.ts';
import { readWeightHeaders, type WeightFile } from './weight-headers.ts';

/** Parsed tokenizer.json and tokenizer_config.json; chat_template.jinja where it is a file of its own. */
export interface TokenizerFiles {
  readonly tokenizerJson: unknown;
  /** null: the model has none. */
  readonly tokenizerConfig: unknown;
  readonly chatTemplate: string | null;
}

export interface OpenedModel {
  readonly source: ModelSource;
  readonly config: ModelConfig;
  readonly generationConfig: GenerationConfig;
  /** null: the model takes and gives token ids only. */
  readonly tokenizer: TokenizerFiles | null;
  readonly manifest: WeightManifest;
  /** Name → where it is, for every tensor of the manifest. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly weightFiles: readonly WeightFile[];
  readonly hashSizes: HashSizes;
  /** As the model card states it. */
  readonly licence: string | null;
}

/** Larger than any such file seen, small beside the memory budget. */
const maxConfigBytes = 4 * 2 ** 20;
const maxTokenizerBytes = 64 * 2 ** 20;

/** @throws AppError "file-malformed", "model-unsupported", and what the source throws. */
export async function openModel(
  source: ModelSource,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<OpenedModel> {
  const { signal } = options;
  const small = (path: string) => readJson(source, path, { maxBytes: maxConfigBytes, signal });
  const configJson = await small('config.json');
  if (configJson === null) throw noConfig(source);
  const config = parseModelConfig(configJson);
  const manifest = weightManifest(config);
  const [generationJson, tokenizer, { files, entries }, licence, hashSizes] = await Promise.all([
    small('generation_config.json'),
    readTokenizerFiles(source, signal),
    readWeightHeaders(source, signal),
    readLicence(source, signal),
    readHashSizes(source, config, signal),
  ]);
  return {
    source,
    config,
    generationConfig: parseGenerationConfig(generationJson ?? {}),
    hashSizes,
    tokenizer,
    manifest,
    entries: checkTensors(manifest, entries),
    weightFiles: files,
    licence,
  };
}

async function readTokenizerFiles(
  source: ModelSource,
  signal: AbortSignal | undefined,
): Promise<TokenizerFiles | null> {
  const limits = { maxBytes: maxTokenizerBytes, signal };
  const tokenizerJson = await readJson(source, 'tokenizer.json', limits);
  if (tokenizerJson === null) return null;
  const [tokenizerConfig, chatTemplate] = await Promise.all([
    readJson(source, 'tokenizer_config.json', limits),
    readText(source, 'chat_template.jinja', limits),
  ]);
  return { tokenizerJson, tokenizerConfig, chatTemplate };
}

function noConfig(source: ModelSource): AppError {
  return new AppError(
    'file-malformed',
    `${source.whereIs('config.json')} was not found, and every Hugging Face model has one. Check the name or address, or choose another model.`,
    { details: { file: 'config.json' } },
  );
}
