/** Greedy answers of the default model, computed by Hugging Face transformers on the same weights. */
import { readFileSync } from 'node:fs';

interface Golden {
  readonly name: string;
  readonly text: string;
}

const file = new URL('../../test/data/golden/SmolLM2-135M-Instruct-4bit/greedy.json', import.meta.url);

/** name → the text after a prompt, to its end token. */
export function readGoldenTexts(): ReadonlyMap<string, string> {
  const goldens = JSON.parse(readFileSync(file, 'utf8')) as Golden[];
  return new Map(goldens.map(({ name, text }) => [name, text.split('<|im_end|>')[0]!]));
}
