/** Generated needle prompts say what they should, where they should. */
import { beforeAll, describe, expect, test } from 'vitest';
import { type NeedlePrompt, needleDepth, needlePrompts } from '../../eval/needles.ts';
import { Random, runSeed } from '../../src/kernels/testing/random.ts';
import { createTokenizer, type Tokenizer } from '../../src/model/tokenizer.ts';
import { readTestFile } from '../support/test-files.ts';

const lengths = [900, 1700, 2600];

describe(`needle prompts (seed ${runSeed})`, () => {
  let tokenizer: Tokenizer;
  let text: number[];
  let prompts: NeedlePrompt[];

  beforeAll(async () => {
    const json = async (name: string): Promise<unknown> => {
      const bytes = await readTestFile(name, 'public/models/SmolLM2-135M-Instruct-4bit');
      return JSON.parse(new TextDecoder().decode(bytes!));
    };
    tokenizer = createTokenizer(await json('tokenizer.json'), await json('tokenizer_config.json'));
    const random = new Random(runSeed);
    text = Array.from({ length: 6000 }, () => random.integer(2000, 40000));
    prompts = needlePrompts(tokenizer, [text], { count: 48, seed: runSeed, lengths });
  });

  test('have the lengths asked for, and every kind, template and depth', () => {
    for (const [i, { prompt_ids }] of prompts.entries()) {
      expect(prompt_ids.length).toBe(lengths[i % lengths.length]);
    }
    const sets = new Set(prompts.map(({ set }) => set));
    expect(sets.size).toBe(12);
    const depths = prompts.map((prompt) => needleDepth(prompt)!);
    for (let eighth = 0; eighth < 8; eighth++) {
      expect(
        depths.some((depth) => Math.floor(depth * 8) === eighth),
        `eighth ${eighth}`,
      ).toBe(true);
    }
  });

  test('end with the question and hold the answer once, before it', () => {
    for (const { set, prompt_ids, answer_ids } of prompts) {
      const prompt = tokenizer.decode(prompt_ids);
      const value = /\d{5}/.exec(tokenizer.decode(answer_ids))![0];
      expect(prompt.split(value).length, `${set}: ${value}`).toBe(2);
      expect(prompt.indexOf(value)).toBeLessThan(prompt.lastIndexOf('?<|im_end|>'));
      const answers = set.startsWith('two-keys') ? 2 : 1;
      expect(tokenizer.decode(answer_ids).match(/\d{5}/g)).toHaveLength(answers);
      const facts = set.startsWith('one') ? 1 : 6;
      expect(
        new Set(prompt.match(/(?:number for|locker|garden gate in|holds lottery) [\w ]*\d{5}/g)).size,
      ).toBe(facts);
    }
  });

  test('are the same for the same seed, and others for another', () => {
    const again = needlePrompts(tokenizer, [text], { count: 48, seed: runSeed, lengths });
    expect(again).toEqual(prompts);
    const other = needlePrompts(tokenizer, [text], { count: 48, seed: runSeed + 1, lengths });
    expect(other).not.toEqual(prompts);
  });
});
