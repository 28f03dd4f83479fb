/** What generation_config.json recommends: end tokens and default sampling. */
import { JsonFields } from './json-fields.ts';

export interface GenerationConfig {
  readonly eosTokenIds: readonly number[];
  /** Only what the file states. temperature 0 (greedy) stands for `do_sample: false`. */
  readonly sampling: {
    readonly temperature?: number;
    readonly topP?: number;
    /** 0: off. */
    readonly topK?: number;
    readonly repetitionPenalty?: number;
  };
}

/** @param json parsed generation_config.json, or `{}` where the model has none.
 *  @throws AppError "file-malformed" naming the field. */
export function parseGenerationConfig(json: unknown, file = 'generation_config.json'): GenerationConfig {
  const fields = new JsonFields(json, file);
  const optional = <K extends string>(
    name: K,
    key: string,
    expected: string,
    isRight: (v: number) => boolean,
  ) => (fields.has(key) ? ({ [name]: fields.number(key, expected, isRight) } as Record<K, number>) : {});
  const isGreedy = !fields.boolean('do_sample', true);
  return {
    eosTokenIds: fields.tokenIds('eos_token_id'),
    sampling: {
      ...optional('temperature', 'temperature', 'a number of at least 0', (value) => value >= 0),
      ...optional('topP', 'top_p', 'a number above 0, at most 1', (value) => value > 0 && value <= 1),
      ...optional('topK', 'top_k', 'an integer of at least 0', (v) => Number.isSafeInteger(v) && v >= 0),
      ...optional('repetitionPenalty', 'repetition_penalty', 'a number above 0', (value) => value > 0),
      ...(isGreedy ? { temperature: 0 } : {}),
    },
  };
}
