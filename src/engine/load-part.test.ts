import { expect, test } from 'vitest';
import { loadPart } from './load-part.ts';

test('a part that cannot be fetched is a failed download, with the reason and what to do', async () => {
  const part = { answer: 42 };
  expect(await loadPart(Promise.resolve(part))).toBe(part);
  const cause = new TypeError('Failed to fetch dynamically imported module: https://host/on-demand.js');
  await expect(loadPart(Promise.reject(cause))).rejects.toMatchObject({
    code: 'download-failed',
    message: expect.stringMatching(/https:\/\/host\/on-demand\.js.*reload the page/),
    cause,
  });
});
