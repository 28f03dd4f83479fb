/** A look into a step in its turn, in the words of the context. */
import type { TextEngineParts, TextSide } from '../text-engine.ts';
import type { Probe, ProbeOptions } from './probe-types.ts';

/** At once while an answer is written: whoever comes after the answer waits for it, too. Else when its turn has come. */
export async function probeInTurn(side: TextSide, options: ProbeOptions): Promise<Probe> {
  const { parts, generator, disposal } = side;
  const signal = options.signal ? AbortSignal.any([options.signal, disposal]) : disposal;
  const look = () => probeText(parts, { ...options, signal });
  const { guests } = generator;
  if (!guests) return generator.turns.run(look, signal);
  const looking = look();
  guests.add(looking);
  try {
    return await looking;
  } finally {
    guests.delete(looking);
  }
}

async function probeText(
  { tokens: engine, createTextStream }: TextEngineParts,
  options: ProbeOptions,
): Promise<Probe> {
  const { tokens, ...step } = await engine.probe(options);
  const stream = createTextStream({ skipSpecialTokens: false });
  const pieces = tokens.map((token) => stream.push(token));
  pieces.push((pieces.pop() ?? '') + stream.end());
  return { ...step, pieces };
}
