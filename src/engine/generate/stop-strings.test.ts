import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { StopStrings } from './stop-strings.ts';

/** The specification: over the whole text, the stop string that completes first, of several the longest. */
function cutNaively(text: string, stop: readonly string[]): string {
  let cut = { end: Infinity, length: 0 };
  for (const pattern of stop) {
    const at = text.indexOf(pattern);
    const end = at + pattern.length;
    if (at >= 0 && (end < cut.end || (end === cut.end && pattern.length > cut.length))) {
      cut = { end, length: pattern.length };
    }
  }
  return cut.end === Infinity ? text : text.slice(0, cut.end - cut.length);
}

function cutInPieces(pieces: readonly string[], stop: readonly string[]): string {
  const stops = new StopStrings(stop);
  let shown = '';
  for (const piece of pieces) {
    const { text, stopped } = stops.push(piece);
    shown += text;
    if (stopped) return shown;
  }
  return shown + stops.end();
}

describe('StopStrings', () => {
  test(`equals a naive search however the text is cut (seed ${runSeed})`, () => {
    const random = new Random(runSeed);
    const alphabet = ['a', 'b', 'é', '😀', '\n'];
    const word = (low: number, high: number) =>
      Array.from({ length: random.integer(low, high) }, () => alphabet[random.integer(0, 4)]!).join('');
    let stopped = 0;
    for (let round = 0; round < 5000; round++) {
      const stop = Array.from({ length: random.integer(0, 4) }, () => word(1, 5));
      const pieces = Array.from({ length: random.integer(0, 12) }, () => word(0, 4));
      const expected = cutNaively(pieces.join(''), stop);
      if (expected !== pieces.join('')) stopped++;
      expect(cutInPieces(pieces, stop), JSON.stringify({ stop, pieces })).toBe(expected);
    }
    expect(stopped).toBeGreaterThan(500);
    expect(stopped).toBeLessThan(4500);
  });

  test('holds back exactly what may begin a stop string', () => {
    const stops = new StopStrings(['<end>']);
    expect(stops.push('one <')).toEqual({ text: 'one ', stopped: false });
    expect(stops.push('en')).toEqual({ text: '', stopped: false });
    expect(stops.push('emy <e')).toEqual({ text: '<enemy ', stopped: false });
    expect(stops.push('nd> two')).toEqual({ text: '', stopped: true });
  });

  test('gives back at the end what turned out to be no stop string', () => {
    const stops = new StopStrings(['aab']);
    expect(stops.push('xaaa')).toEqual({ text: 'xa', stopped: false });
    expect(stops.end()).toBe('aa');
  });

  test('passes everything through at once without stop strings', () => {
    expect(new StopStrings([]).push('anything')).toEqual({ text: 'anything', stopped: false });
  });

  test('takes linear time where a search from each position would be quadratic', () => {
    const stop = `${'a'.repeat(20_000)}b`;
    const stops = new StopStrings([stop]);
    let shown = 0;
    for (let piece = 0; piece < 4000; piece++) shown += stops.push('a'.repeat(10)).text.length;
    expect(shown).toBe(20_000);
    expect(stops.push('b')).toEqual({ text: '', stopped: true });
  });
});
