import { expect, test } from 'vitest';
import { AppError } from '../errors.ts';
import { checkEngineOptions } from './check-engine-options.ts';

const model = 'owner/name';

test('what the types allow passes, and undefined counts as absent', () => {
  for (const options of [
    { model },
    { model: { kind: 'hub', repo: model }, revision: undefined },
    { model: { kind: 'url', url: '/m' }, weights: 'stored', contextLength: 1, extendContext: 'yarn' },
    { model: { kind: 'files', files: [] }, useStorage: false, onProgress: () => {}, onStatus: () => {} },
    { model, attention: { mode: 'dense' }, signal: new AbortController().signal, accessToken: 'x' },
  ]) {
    expect(() => checkEngineOptions(options)).not.toThrow();
  }
});

test.each([
  ['nothing', undefined, 'the options must be an object; got undefined.'],
  ['no model', {}, /^model must be .*; got undefined\.$/],
  ['a model that is none', { model: 3 }, /^model must be .*; got 3\.$/],
  ['a model of no known kind', { model: { kind: 'toString' } }, /^model must be .* hub, url, folder, files/],
  ['a misspelt option', { model, contextLenght: 9 }, /contextLength.*; got "contextLenght"\.$/],
  ['the name of something inherited', { model, constructor: 1 }, /got "constructor"\.$/],
  ['unknown weights', { model, weights: 'q3' }, 'weights must be "q4", "q8", "f16", "stored"; got "q3".'],
  ['half a token', { model, contextLength: 0.5 }, /^contextLength must be an integer of at least 1/],
  ['another extension', { model, extendContext: true }, 'extendContext must be "yarn"; got true.'],
  ['a call that is none', { model, onProgress: 'log' }, 'onProgress must be a function; got "log".'],
] as const)('%s is refused by name', (_, options, message) => {
  let fault: unknown;
  try {
    checkEngineOptions(options);
  } catch (error) {
    fault = error;
  }
  expect(fault).toBeInstanceOf(AppError);
  expect(fault).toMatchObject({ code: 'invalid-request', message: expect.stringMatching(message) });
});
