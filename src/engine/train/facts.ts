/** Made-up facts for training text: a sentence that states one, and a question and answer that need it later. Books have
 *  few numbers, codes and questions; what people look up in a long text is often just that. */
import type { ChatMessage } from '../chat/chat-types.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface Fact {
  readonly statement: string;
  readonly question: string;
  readonly answer: string;
}

/** A fact as it is put into text. */
export interface FactTokens {
  readonly statement: readonly number[];
  /** Question and answer. */
  readonly exchange: readonly number[];
}

export type DrawFact = (random: SeededRandom) => FactTokens;

type RenderChat = (messages: readonly ChatMessage[]) => string;

export interface FactText {
  readonly encode: (text: string, options: { readonly addSpecialTokens: boolean }) => readonly number[];
  /** Ends where the next answer would begin; null where the model has no chat template. */
  readonly renderChat: RenderChat | null;
}

/** Every other exchange is a turn of a chat, the others are lines of plain text. */
export function factDrawer({ encode, renderChat }: FactText): DrawFact {
  const turn = renderChat && chatTurn(renderChat);
  const tokens = (text: string): readonly number[] => encode(text, { addSpecialTokens: false });
  return (random) => {
    const { statement, question, answer } = drawFact(random);
    const asChat = random.next() < 0.5 ? turn : null;
    const exchange = asChat ? asChat(question, answer) : `\n\n${question}\n${answer}\n\n`;
    return { statement: tokens(` ${statement}`), exchange: tokens(exchange) };
  };
}

/** What question and answer add to a chat that has begun; null where the template does not append. */
function chatTurn(renderChat: RenderChat): ((question: string, answer: string) => string) | null {
  const hello = 'Hello.';
  const user: ChatMessage = { role: 'user', content: hello };
  try {
    const before = `${renderChat([user])}${hello}`;
    const whole = renderChat([user, { role: 'assistant', content: hello }, user]);
    if (!whole.startsWith(before)) return null;
    const [open, close] = whole.slice(before.length).split(hello);
    return close === undefined ? null : (question, answer) => `${open}${question}${close}${answer}`;
  } catch {
    return null; // templates may refuse any chat
  }
}

export function drawFact(random: SeededRandom): Fact {
  return pick(random, templates)(random);
}

const syllables = 'ba ren to kal mi dor sa vel na tor li gar ju pen ro shi ka mel ul fin os wen dra ne'.split(
  ' ',
);
const things =
  'boiler, camera, carpet, clock, compass, drum, engine, generator, kettle, ladder, lamp, mirror, organ, piano, printer, pump, radio, sledge, telescope, tractor'.split(
    ', ',
  );
const words =
  'apricot, arrow, basil, beaver, birch, bridge, bronze, cactus, candle, cedar, cobalt, comet, copper, coral, cotton, dolphin, ember, fern, flint, ginger, glacier, hazel, heron, indigo, ivory, jasmine, juniper, lemon, lilac, marble, mint, nutmeg, opal, orchid, otter, pepper, plum, raven, river, saffron, salmon, scarlet, sparrow, teal, thistle, topaz, tulip, velvet, walnut, willow'.split(
    ', ',
  );
const months = 'January February March April May June July August September October November December'.split(
  ' ',
);

/** None of them is a template of the needle prompts that maps are judged by. */
const templates: readonly ((random: SeededRandom) => Fact)[] = [
  (random) => {
    const [owner, bank] = [name(random), name(random)];
    return restated(
      `${owner} keeps account ${digits(random, 5, 9)} at the bank of ${bank}.`,
      `Which account does ${owner} keep at the bank of ${bank}?`,
    );
  },
  (random) => {
    const thing = pick(random, things);
    const place = name(random);
    return restated(
      `The serial code of the ${thing} in ${place} is ${code(random)}.`,
      `What is the serial code of the ${thing} in ${place}?`,
    );
  },
  (random) => {
    const [place, time] = [name(random), `${10 + random.below(0, 14)}:${10 + random.below(0, 50)}`];
    return {
      statement: `At ${time} the night train leaves for ${place}.`,
      question: `When does the night train leave for ${place}?`,
      answer: `The night train leaves for ${place} at ${time}.`,
    };
  },
  (random) => {
    const who = name(random);
    const date = `${pick(random, months)} ${1 + random.below(0, 28)}, ${1200 + random.below(0, 900)}`;
    return restated(`${who} was born on ${date}.`, `On which day was ${who} born?`);
  },
  (random) => {
    const [thing, grams] = [pick(random, things), digits(random, 3, 6)];
    const place = name(random);
    return {
      statement: `In ${place} there is a ${thing} that weighs ${grams} grams.`,
      question: `How much does the ${thing} in ${place} weigh?`,
      answer: `The ${thing} in ${place} weighs ${grams} grams.`,
    };
  },
  (random) => {
    const who = name(random);
    const address = `${pick(random, words)}${digits(random, 2, 4)}@${pick(random, words)}.org`;
    return restated(`Letters to ${who} go to ${address}.`, `Where do letters to ${who} go?`);
  },
  (random) => {
    const [who, room] = [name(random), digits(random, 2, 4)];
    return {
      statement: `Room ${room} belongs to ${who}.`,
      question: `Which room belongs to ${who}?`,
      answer: `${who} has room ${room}.`,
    };
  },
  (random) => {
    const [place, first, second] = [name(random), pick(random, words), pick(random, words)];
    return restated(
      `The flag of ${place} shows the ${first} and the ${second}.`,
      `What does the flag of ${place} show?`,
    );
  },
  (random) => {
    const [ship, captain] = [name(random), `${name(random)} ${name(random)}`];
    return {
      statement: `Captain ${captain} commands the ship ${ship}.`,
      question: `Who commands the ship ${ship}?`,
      answer: `The ship ${ship} is commanded by Captain ${captain}.`,
    };
  },
  (random) => {
    const who = name(random);
    const list = Array.from({ length: 4 }, () => digits(random, 1, 3)).join(', ');
    return restated(`${who} drew the cards ${list}.`, `Which cards did ${who} draw?`);
  },
];

/** A fact whose answer says it in the same words. */
function restated(statement: string, question: string): Fact {
  return { statement, question, answer: statement };
}

function name(random: SeededRandom): string {
  const text = Array.from({ length: 2 + random.below(0, 2) }, () => pick(random, syllables)).join('');
  return text[0]!.toUpperCase() + text.slice(1);
}

/** As many digits as drawn from least … most, the first not 0. */
function digits(random: SeededRandom, least: number, most: number): string {
  const count = random.below(least, most + 1);
  return Array.from({ length: count }, (_, i) => random.below(i === 0 ? 1 : 0, 10)).join('');
}

function code(random: SeededRandom): string {
  const letters = Array.from({ length: 2 }, () => String.fromCharCode(65 + random.below(0, 26)));
  return `${letters.join('')}-${digits(random, 3, 6)}`;
}

function pick<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.below(0, list.length)]!;
}
