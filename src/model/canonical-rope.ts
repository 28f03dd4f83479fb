/** One spelling of a rotary embedding, so that two can be compared as text: what signature maps were trained under
 *  against what the engine runs. */
import { AppError } from '../errors.ts';
import { describeJson, isJsonObject } from './json-fields.ts';
import type { RopeConfig } from './rope-config.ts';

/** Type, theta, factor and original length say which embedding it is: members in alphabetical order, those the type
 *  lacks left out, no spaces, numbers as ECMAScript writes them.
 *  E.g. `{"factor":2,"original_length":8192,"theta":100000,"type":"yarn"}`. */
export function canonicalRope(rope: RopeConfig): string {
  const { kind: type, theta } = rope;
  switch (type) {
    case 'default':
      return JSON.stringify({ theta, type });
    case 'linear':
      return JSON.stringify({ factor: rope.factor, theta, type });
    case 'llama3':
    case 'yarn':
      return JSON.stringify({ factor: rope.factor, original_length: rope.originalContext, theta, type });
    default:
      throw type satisfies never;
  }
}

/** Members beside theta, by type. */
const membersOf: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['default', []],
  ['linear', ['factor']],
  ['llama3', ['factor', 'original_length']],
  ['yarn', ['factor', 'original_length']],
]);

/** Reads a file's spelling into the canonical one: other writers order members and print numbers differently.
 *  @param subject file and field, for messages
 *  @throws AppError "file-malformed" when it is not the JSON of a RoPE this engine knows, whole and nothing else. */
export function parseCanonicalRope(text: string, subject: string): string {
  const json = parseJson(text);
  const members = isJsonObject(json) ? membersOf.get(json.type) : undefined;
  if (!isJsonObject(json) || members === undefined) {
    throw malformed(subject, 'a JSON object whose type is default, linear, llama3 or yarn', text);
  }
  const numbers = ['theta', ...members];
  const extra = Object.keys(json).find((key) => key !== 'type' && !numbers.includes(key));
  if (extra !== undefined) throw malformed(subject, `without ${extra}, which ${json.type} RoPE lacks`, text);
  for (const key of numbers) {
    const value = json[key];
    const least = key === 'theta' ? 1 : 0;
    const isRight = typeof value === 'number' && Number.isFinite(value) && value > least;
    if (!isRight) throw malformed(subject, `with a number above ${least} as ${key}`, text);
  }
  const sorted = [...numbers, 'type'].sort().map((key) => [key, json[key]] as const);
  return JSON.stringify(Object.fromEntries(sorted));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function malformed(subject: string, expected: string, got: string): AppError {
  return new AppError(
    'file-malformed',
    `${subject} must be ${expected}, got ${describeJson(got)}. Write the file again, or remove it.`,
    { details: { field: subject } },
  );
}
