/** A look into a step, in the words of the context. */
import type { TextSide } from '../text-engine.ts';
import type { Probe, ProbeOptions } from './probe-types.ts';

/** Waits for its turn among the requests. */
export async function probeText(
  { parts, generator, disposal }: TextSide,
  { signal: given, ...options }: ProbeOptions = {},
): Promise<Probe> {
  const signal = given ? AbortSignal.any([given, disposal]) : disposal;
  const work = () => parts.tokens.probe({ ...options, signal });
  const { tokens, ...step } = await generator.between(work, signal);
  const stream = parts.createTextStream({ skipSpecialTokens: false });
  const pieces = tokens.map((token) => stream.push(token));
  pieces.push((pieces.pop() ?? '') + stream.end());
  return { ...step, pieces };
}
