/** Ends a text before the first stop string that completes, and holds back what might be the beginning of one.
 *
 *  Each stop string runs the Knuth–Morris–Pratt automaton over the text, so time is linear and the result does not
 *  depend on how the text was cut into pieces: the string that completes first wins, of several the longest. */

export interface StopResult {
  /** Text now safe to show. */
  readonly text: string;
  readonly stopped: boolean;
}

export class StopStrings {
  readonly #matchers: readonly Matcher[];
  #held = '';

  /** `stop`: strings that are not empty. */
  constructor(stop: readonly string[]) {
    this.#matchers = stop.map((pattern) => new Matcher(pattern));
  }

  /** Takes the next piece of text. After `stopped` nothing more may be pushed. */
  push(piece: string): StopResult {
    const text = this.#held + piece;
    for (let index = this.#held.length; index < text.length; index++) {
      const matched = this.#advance(text.charCodeAt(index));
      if (matched > 0) {
        this.#held = '';
        return { text: text.slice(0, index + 1 - matched), stopped: true };
      }
    }
    const safe = text.length - this.#longestBeginning();
    this.#held = text.slice(safe);
    return { text: text.slice(0, safe), stopped: false };
  }

  /** The text has ended: what was held back is no stop string after all. */
  end(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  /** Length of the longest stop string that ends with this code unit; 0: none does. */
  #advance(unit: number): number {
    let longest = 0;
    for (const matcher of this.#matchers) {
      if (matcher.advance(unit)) longest = Math.max(longest, matcher.pattern.length);
    }
    return longest;
  }

  #longestBeginning(): number {
    return Math.max(0, ...this.#matchers.map((matcher) => matcher.matched));
  }
}

class Matcher {
  readonly pattern: string;
  /** Length of the longest beginning of the pattern that ends the text so far. */
  matched = 0;
  /** `#fallback[i]`: length of the longest beginning of the pattern that also ends its first i + 1 units. */
  readonly #fallback: number[] = [0];

  constructor(pattern: string) {
    this.pattern = pattern;
    for (let index = 1, length = 0; index < pattern.length; index++) {
      length = this.#extend(length, pattern.charCodeAt(index));
      this.#fallback.push(length);
    }
  }

  /** Whether the pattern is complete with this code unit. */
  advance(unit: number): boolean {
    this.matched = this.#extend(this.matched, unit);
    return this.matched === this.pattern.length;
  }

  #extend(length: number, unit: number): number {
    while (length > 0 && this.pattern.charCodeAt(length) !== unit) length = this.#fallback[length - 1]!;
    return this.pattern.charCodeAt(length) === unit ? length + 1 : 0;
  }
}
