/** Options of an engine or a plan as callers give them: one that is misspelt must not pass unnoticed. */
import type { EngineOptions, ModelReference, WeightsOption } from './api.ts';
import { checkBoolean, checkNumber, checkString, invalidRequest, isRecord } from './validate.ts';

type OptionChecks = { readonly [name in keyof EngineOptions]-?: (value: unknown, name: string) => unknown };

const weights: Readonly<Record<WeightsOption, true>> = { q4: true, q8: true, f16: true, stored: true };

type ReferenceKind = Exclude<ModelReference, string>['kind'];
const referenceKinds: Readonly<Record<ReferenceKind, true>> = {
  hub: true,
  url: true,
  folder: true,
  files: true,
};

const checks: OptionChecks = {
  model: checkModel,
  revision: (value, name) => checkString(name, value),
  accessToken: (value, name) => checkString(name, value),
  weights: (value, name) => checkOneOf(name, value, Object.keys(weights)),
  contextLength: (value, name) => checkNumber(name, value, { min: 1, integer: true }),
  extendContext: (value, name) => checkOneOf(name, value, ['yarn']),
  // Which modes and numbers make sense depends on the model.
  attention: (value, name) => checkRecord(name, value),
  useStorage: (value, name) => checkBoolean(name, value),
  onProgress: checkFunction,
  onStatus: checkFunction,
  signal: (value, name) => checkRecord(name, value),
};

/** Undefined counts as absent.
 *  @throws AppError "invalid-request" naming the option. */
export function checkEngineOptions(options: unknown): asserts options is EngineOptions {
  checkRecord('the options', options);
  checkModel(options.model, 'model');
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(checks, name)) {
      throw invalidRequest('an option', `one of ${Object.keys(checks).join(', ')}`, name);
    }
    if (value !== undefined) checks[name as keyof EngineOptions](value, name);
  }
}

function checkModel(value: unknown, name: string): void {
  const isKnown =
    isRecord(value) && typeof value.kind === 'string' && Object.hasOwn(referenceKinds, value.kind);
  if (typeof value !== 'string' && !isKnown) {
    const kinds = Object.keys(referenceKinds).join(', ');
    throw invalidRequest(name, `a repo id "owner/name", an address, or an object of kind ${kinds}`, value);
  }
}

function checkOneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.some((one) => one === value)) {
    throw invalidRequest(name, allowed.map((one) => `"${one}"`).join(', '), value);
  }
}

function checkRecord(name: string, value: unknown): asserts value is Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw invalidRequest(name, 'an object', value);
}

function checkFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw invalidRequest(name, 'a function', value);
}
