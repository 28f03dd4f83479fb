import { expect, test } from 'vitest';
import type { AppError } from '../../errors.ts';
import { explicitReference } from './reference.ts';

const page = 'https://page.example/app/index.html';

test.each([
  ['owner/name', { kind: 'hub', repo: 'owner/name' }],
  ['Qwen/Qwen2.5-0.5B', { kind: 'hub', repo: 'Qwen/Qwen2.5-0.5B' }],
  ['https://x.example/m?sig=1', { kind: 'url', url: 'https://x.example/m?sig=1' }],
  ['/models/tiny', { kind: 'url', url: 'https://page.example/models/tiny' }],
  ['./tiny/', { kind: 'url', url: 'https://page.example/app/tiny/' }],
  ['../tiny', { kind: 'url', url: 'https://page.example/tiny' }],
] as const)('%s becomes explicit', (text, expected) => {
  expect(explicitReference(text, page)).toEqual(expected);
});

test('a hub endpoint loses its last slash', () => {
  const reference = { kind: 'hub', repo: 'a/b', endpoint: 'https://mirror.example/hub/' } as const;
  expect(explicitReference(reference, page)).toEqual({
    ...reference,
    endpoint: 'https://mirror.example/hub',
  });
});

test.each(['gpt2', 'a/b/c', 'a/', '', 'a b/c', 'ftp://x.example/m', '/relative without base', 'a/..'])(
  '"%s" is refused',
  (text) => {
    try {
      explicitReference(text, undefined);
    } catch (error) {
      expect((error as AppError).code).toBe('invalid-request');
      return;
    }
    throw new Error('it was accepted');
  },
);
