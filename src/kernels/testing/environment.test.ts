import { expect, test } from 'vitest';
import { environmentVariable } from './environment.ts';

test('what the tests were started with is known here, in Node as in a browser', () => {
  expect(['any', 'hardware']).toContain(environmentVariable('TEST_GPU'));
  expect(environmentVariable('TEST_SEED'), 'empty where none is given').toMatch(/^\d*$/);
});
