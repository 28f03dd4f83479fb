/** A look into a step, in the words of the context. */
import type { TextEngineParts } from '../text-engine.ts';
import type { Probe, ProbeOptions } from './probe-types.ts';

export async function probeText(
  { tokens: engine, createTextStream }: TextEngineParts,
  options: ProbeOptions,
): Promise<Probe> {
  const { tokens, ...step } = await engine.probe(options);
  const stream = createTextStream({ skipSpecialTokens: false });
  const pieces = tokens.map((token) => stream.push(token));
  pieces.push((pieces.pop() ?? '') + stream.end());
  return { ...step, pieces };
}
