/** A look into a step in its turn, in the words of the context. */
import type { TextEngineParts, TextSide } from '../text-engine.ts';
import type { Probe, ProbeOptions } from './probe-types.ts';

/** At once while an answer is written, else when its turn has come. */
export async function probeInTurn(
  { parts, generator, disposal }: TextSide,
  options: ProbeOptions,
): Promise<Probe> {
  const signal = options.signal ? AbortSignal.any([options.signal, disposal]) : disposal;
  return generator.beside(() => probeText(parts, { ...options, signal }), signal);
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
