import { expect, test } from 'vitest';
import { sourceHost } from './source-host.ts';

const page = 'https://page.example/app/';

test.each([
  ['owner/name', 'huggingface.co'],
  ['./models/a/', 'page.example'],
  ['https://host.example:8080/a', 'host.example:8080'],
  ['https://', null],
  [{ kind: 'url', url: '/models/a' }, 'page.example'],
  [{ kind: 'hub', repo: 'a/b' }, 'huggingface.co'],
  [{ kind: 'hub', repo: 'a/b', endpoint: 'https://mirror.example' }, 'mirror.example'],
  [{ kind: 'files', files: [] }, null],
] as const)('the host of %j is %j', (reference, host) => {
  expect(sourceHost(reference, page)).toBe(host);
});
