/** The way into HashAttention: everything behind it is loaded when it is first wanted, as most pages start without. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { ModelConfig } from '../../model/config.ts';
import type { HashAttentionOptions } from '../api.ts';
import type { KvCache } from '../network/kv-cache.ts';
import { HashAttention } from './hash-attention.ts';
import { hashChoices } from './hash-choices.ts';
import { centreOnKeys, type ModelHashMaps } from './model-hash-maps.ts';

export interface OpenHashAttention {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly cache: KvCache;
  readonly maps: ModelHashMaps;
  readonly options: HashAttentionOptions;
}

/** @throws AppError "invalid-request" for options that make no sense. */
export async function openHashAttention(parts: OpenHashAttention): Promise<HashAttention> {
  const { gpu, config, cache, options } = parts;
  const { maps, facts } = parts.maps;
  const choices = hashChoices(options, facts, config.layers);
  return HashAttention.create({ gpu, config, maps, choices, cache });
}

/** Loads a model's maps; random ones are centred on the keys in the cache, which must not be empty then. */
export async function openMaps(
  open: () => Promise<ModelHashMaps>,
  { gpu, config, cache }: Pick<OpenHashAttention, 'gpu' | 'config' | 'cache'>,
): Promise<ModelHashMaps> {
  const opened = await open();
  if (opened.untrained) await centreOnKeys(gpu, config, opened.untrained, cache, cache.length);
  return opened;
}
