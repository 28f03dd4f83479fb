/** The text signatures are trained on, as token ids, and the part of it kept aside. */
import { AppError } from '../../errors.ts';
import { edgesOf } from './edges.ts';
import type { DrawFact } from './facts.ts';
import { SeededRandom } from './seeded-random.ts';
import type { TrainOptions } from './train-options.ts';

/** A sequence and the tokens in it whose queries count, ascending. */
export interface TrainSequence {
  readonly tokens: readonly number[];
  readonly positions: Uint32Array<ArrayBuffer>;
}

/** Tokens a span that is repeated may have. */
const spanTokens = { least: 24, most: 160 };

/** What a random number is drawn for. */
const purpose = { sequence: 1, heldOut: 2 } as const;

export class TrainCorpus {
  readonly options: TrainOptions;
  readonly #tokens: Uint32Array;
  readonly #drawFact: DrawFact | null;
  /** Beginnings of the sequences kept aside. */
  readonly #heldOut: readonly number[];
  /** What lies between them, [begin, end). */
  readonly #segments: readonly (readonly [number, number])[];

  /** @param drawFact null: text without made-up facts
   *  @throws AppError "invalid-request" when the text is too short for the lengths asked for. */
  constructor(tokens: Uint32Array, options: TrainOptions, drawFact: DrawFact | null = null) {
    this.#tokens = tokens;
    this.options = options;
    this.#drawFact = drawFact;
    const { heldOut } = options;
    const longest = Math.max(...options.lengths);
    const free = tokens.length - heldOut * longest;
    const gap = Math.floor(free / (heldOut + 1));
    if (gap < longest) {
      const needed = (2 * heldOut + 1) * longest;
      throw new AppError(
        'invalid-request',
        `The training text has ${tokens.length} tokens; sequences of ${longest} tokens, with ${heldOut} kept aside, need ${needed}. Give more text, or shorter lengths.`,
        { details: { tokens: tokens.length, needed } },
      );
    }
    this.#heldOut = Array.from({ length: heldOut }, (_, i) => (i + 1) * gap + i * longest);
    const begins = [0, ...this.#heldOut.map((begin) => begin + longest)];
    const ends = [...this.#heldOut, tokens.length];
    this.#segments = begins.map((begin, i) => [begin, ends[i]!] as const);
  }

  /** Of step `step`, from 1 on: text that is not kept aside, with spans of it repeated and made-up facts. */
  sequence(step: number): TrainSequence {
    const { seed, lengths } = this.options;
    const random = new SeededRandom(seed, purpose.sequence, step);
    const length = lengths[(step - 1) % lengths.length]!;
    const rooms = this.#segments.map(([begin, end]) => end - begin - length + 1);
    let at = random.below(
      0,
      rooms.reduce((a, b) => a + b),
    );
    let segment = 0;
    while (at >= rooms[segment]!) at -= rooms[segment++]!;
    const begin = this.#segments[segment]![0] + at;
    const tokens = Array.from(this.#tokens.subarray(begin, begin + length));
    this.#repeatSpans(tokens, random);
    this.#plantFacts(tokens, random);
    return { tokens, positions: this.#positions(length, random) };
  }

  /** One of the sequences kept aside, of the longest length, as it is. */
  heldOut(index: number): TrainSequence {
    const begin = this.#heldOut[index]!;
    const length = Math.max(...this.options.lengths);
    const random = new SeededRandom(this.options.seed, purpose.heldOut, index);
    const tokens = Array.from(this.#tokens.subarray(begin, begin + length));
    return { tokens, positions: this.#positions(length, random) };
  }

  /** Copies spans to later places: what was there once is there to be found again. */
  #repeatSpans(tokens: number[], random: SeededRandom): void {
    const { repeatEvery } = this.options;
    const spans = repeatEvery === 0 ? 0 : Math.floor(tokens.length / repeatEvery);
    for (let span = 0; span < spans; span++) {
      const most = Math.min(spanTokens.most, Math.floor(tokens.length / 4));
      const count = random.below(Math.min(spanTokens.least, most), most + 1);
      const from = random.below(0, tokens.length - 2 * count);
      const to = random.below(from + count, tokens.length - count);
      tokens.splice(to, count, ...tokens.slice(from, from + count));
    }
  }

  /** States facts and asks for them later, in place of the text there. */
  #plantFacts(tokens: number[], random: SeededRandom): void {
    const { factsEvery } = this.options;
    if (!this.#drawFact || factsEvery === 0) return;
    for (let i = 0; i < Math.floor(tokens.length / factsEvery); i++) {
      const { statement, exchange } = this.#drawFact(random);
      const room = tokens.length - statement.length - exchange.length;
      if (room < 0) continue;
      const from = random.below(0, room + 1);
      const to = random.below(from, room + 1) + statement.length;
      tokens.splice(from, statement.length, ...statement);
      tokens.splice(to, exchange.length, ...exchange);
    }
  }

  /** Positions with candidates, none twice. */
  #positions(length: number, random: SeededRandom): Uint32Array<ArrayBuffer> {
    const { positions } = this.options;
    const { sink, window } = edgesOf(this.options, length);
    const first = sink + window;
    const free = Array.from({ length: length - first }, (_, i) => first + i);
    for (let i = 0; i < positions; i++) {
      const other = random.below(i, free.length);
      [free[i], free[other]] = [free[other]!, free[i]!];
    }
    return Uint32Array.from(free.slice(0, positions)).sort();
  }
}
