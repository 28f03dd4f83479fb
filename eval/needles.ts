/** Needle prompts: facts hidden in a novel, a question at the end, and the answer that a model should give.
 *  Seeded: the same texts, tokenizer and seed give the same prompts. */
import type { Tokenizer } from '../src/model/tokenizer.ts';

export interface NeedlePrompt {
  /** Kind and template. */
  readonly set: string;
  readonly prompt_ids: readonly number[];
  readonly answer_ids: readonly number[];
}

/** one: a single fact; several: one of six is asked for; two-keys: two of six are, and both must be right. */
export type NeedleKind = 'one' | 'several' | 'two-keys';

interface Template {
  readonly name: string;
  /** Not to be looked at while maps are tuned. */
  readonly isKeptAside: boolean;
  readonly keys: readonly string[];
  readonly fact: (key: string, value: string) => string;
  readonly question: (key: string) => string;
  /** What the answer begins with; the value follows. */
  readonly answer: (key: string) => string;
}

const cities = ['Paris', 'Oslo', 'Delhi', 'Quito', 'Kyoto', 'Madrid', 'Cairo', 'Lima', 'Dublin', 'Vienna'];
const people = ['Amara', 'Boris', 'Clara', 'Diego', 'Elena', 'Farid', 'Greta', 'Henry', 'Irene', 'Jonas'];

export const templates: readonly Template[] = [
  {
    name: 'number',
    isKeptAside: false,
    keys: cities,
    fact: (key, value) => `\n\nThe magic number for ${key} is ${value}.\n\n`,
    question: (key) => `What is the magic number for ${key}?`,
    answer: (key) => `The magic number for ${key} is`,
  },
  {
    name: 'locker',
    isKeptAside: false,
    keys: people,
    fact: (key, value) => `By the way, ${key}'s green suitcase was left in locker ${value} at the station. `,
    question: (key) => `In which locker was ${key}'s green suitcase left?`,
    answer: (key) => `${key}'s green suitcase was left in locker`,
  },
  {
    name: 'gate',
    isKeptAside: true,
    keys: cities,
    fact: (key, value) => `(The code that opens the garden gate in ${key} is ${value}.) `,
    question: (key) => `Which code opens the garden gate in ${key}?`,
    answer: (key) => `The code that opens the garden gate in ${key} is`,
  },
  {
    name: 'ticket',
    isKeptAside: true,
    keys: people,
    fact: (key, value) => `\n\nNote: ${key} holds lottery ticket ${value}.\n\n`,
    question: (key) => `Which lottery ticket does ${key} hold?`,
    answer: (key) => `${key} holds lottery ticket`,
  },
];

const kinds: readonly NeedleKind[] = ['one', 'several', 'two-keys'];

export interface NeedleOptions {
  readonly count: number;
  readonly seed: number;
  /** Tokens of whole prompts, taken in turn. */
  readonly lengths: readonly number[];
}

/** Lengths, templates, kinds and depths in turn, so that every length meets every depth; half of the prompts have
 *  templates that are kept aside. */
export function needlePrompts(
  tokenizer: Tokenizer,
  texts: readonly (readonly number[])[],
  { count, seed, lengths }: NeedleOptions,
): NeedlePrompt[] {
  const draw = drawer(seed);
  return Array.from({ length: count }, (_, i) => {
    const turn = Math.floor(i / lengths.length);
    const template = templates[turn % templates.length]!;
    const kind = kinds[Math.floor(turn / templates.length) % kinds.length]!;
    const length = lengths[i % lengths.length]!;
    const depth = (((i * 5) % 8) + draw()) / 8;
    return needlePrompt(tokenizer, texts[i % texts.length]!, { template, kind, length, depth, draw });
  });
}

function needlePrompt(
  tokenizer: Tokenizer,
  text: readonly number[],
  choice: { template: Template; kind: NeedleKind; length: number; depth: number; draw: () => number },
): NeedlePrompt {
  const { template, kind, length, draw } = choice;
  const facts = kind === 'one' ? 1 : 6;
  const keys = shuffled(template.keys, draw).slice(0, facts);
  const values = keys.map(() => String(10000 + Math.floor(90000 * draw())));
  const asked = kind === 'two-keys' ? 2 : 1;
  const encode = (part: string): number[] => tokenizer.encode(part, { addSpecialTokens: false });
  const head = encode(
    '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\n',
  );
  const questions = keys.slice(0, asked).map((key) => template.question(key));
  const tail = encode(
    `\n\n${questions.join(' ')}<|im_end|>\n<|im_start|>assistant\n${template.answer(keys[0]!)}`,
  );
  const needles = keys.map((key, i) => encode(template.fact(key, values[i]!)));
  const room = length - head.length - tail.length - needles.reduce((sum, needle) => sum + needle.length, 0);
  const start = Math.floor(draw() * (text.length - room));
  // The fact asked for at the depth wanted, the others anywhere.
  const places = needles.map((_, i) => Math.floor(room * (i === 0 ? choice.depth : draw())));
  const order = [...needles.keys()].sort((a, b) => places[a]! - places[b]!);
  const ids = [...head];
  let done = 0;
  for (const i of order) {
    ids.push(...text.slice(start + done, start + places[i]!), ...needles[i]!);
    done = places[i]!;
  }
  ids.push(...text.slice(start + done, start + room), ...tail);
  const second = asked === 2 ? `. ${template.answer(keys[1]!)} ${values[1]}` : '';
  return {
    set: `${kind} ${template.name}${template.isKeptAside ? ' (kept aside)' : ''}`,
    prompt_ids: ids,
    answer_ids: encode(` ${values[0]}${second}`),
  };
}

/** Where the answer stands in a prompt, 0 at its beginning and 1 at its end; null where it does not. */
export function needleDepth({ prompt_ids, answer_ids }: NeedlePrompt): number | null {
  const fact = answer_ids.slice(0, 4);
  for (let at = 0; at + fact.length <= prompt_ids.length; at++) {
    if (fact.every((id, i) => prompt_ids[at + i] === id)) return at / prompt_ids.length;
  }
  return null;
}

/** Uniform in [0, 1), seeded: mulberry32. */
function drawer(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled<T>(items: readonly T[], draw: () => number): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
