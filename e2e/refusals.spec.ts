/** Models that cannot work: refused in plain words, before any weight is downloaded. */
import { readFileSync } from 'node:fs';
import { type ModelServer, served } from '../test/support/model-server.ts';
import { Chat } from './support/chat.ts';
import {
  defaultModelFolder,
  deployWith,
  isHeadOnly,
  serveFolder,
  tinyModelsFolder,
} from './support/hosts.ts';
import { test as base, expect } from './support/visit.ts';

/** `server`: a host of a good tiny model, which the page is configured to load. */
const test = base.extend<{ server: ModelServer }>({
  server: async ({ visit }, use) => {
    const server = await serveFolder(new URL('llama-f32/', tinyModelsFolder));
    visit.hosts.add(server.url);
    await deployWith(visit, `${server.url}/tiny/`);
    await use(server);
    await server.stop();
  },
});

interface Refusal {
  readonly what: string;
  /** Makes a good tiny model a bad one. */
  readonly spoil: (server: ModelServer) => void;
  readonly code: string;
  readonly says: RegExp;
}

const refusals: readonly Refusal[] = [
  {
    what: 'an architecture it does not know',
    spoil: (server) => changeConfig(server, { model_type: 'mamba', architectures: ['MambaForCausalLM'] }),
    code: 'model-unsupported',
    says: /mamba/,
  },
  {
    what: 'a quantisation it does not know',
    spoil: (server) => changeConfig(server, { quantization_config: { quant_method: 'awq', bits: 4 } }),
    code: 'model-unsupported',
    says: /awq/,
  },
  {
    what: 'a folder without config.json',
    spoil: (server) => server.files.delete('config.json'),
    code: 'file-malformed',
    says: /config\.json/,
  },
  {
    what: 'a config.json that is not JSON',
    spoil: (server) => server.files.set('config.json', served('{"model_type": "llama",')),
    code: 'file-malformed',
    says: /config\.json: not JSON/,
  },
  {
    what: 'a model without weights',
    spoil: (server) => server.files.delete('model.safetensors'),
    code: 'model-unsupported',
    says: /neither model\.safetensors nor/,
  },
  {
    what: 'a weight file that ends early',
    spoil: (server) => changeWeights(server, (bytes) => bytes.subarray(0, bytes.length - 1)),
    code: 'file-malformed',
    says: /model\.safetensors/,
  },
  {
    what: 'a weight file whose header is cut',
    spoil: (server) => changeWeights(server, (bytes) => bytes.subarray(0, 100)),
    code: 'file-malformed',
    says: /model\.safetensors/,
  },
  {
    what: 'a weight file with a header of impossible size',
    spoil: (server) => changeWeights(server, (bytes) => bytes.fill(0xff, 4, 7)),
    code: 'file-malformed',
    says: /model\.safetensors/,
  },
  {
    what: 'weights of another shape than config.json says',
    spoil: (server) => changeConfig(server, { intermediate_size: 512 }),
    code: 'file-malformed',
    says: /mlp\.\w+_proj\.weight/,
  },
  {
    what: 'a model without a tokenizer',
    spoil: () => {},
    code: 'model-unsupported',
    says: /tokenizer\.json/,
  },
];

for (const { what, spoil, code, says } of refusals) {
  test(`refuses ${what}`, async ({ visit, server }) => {
    spoil(server);
    await visit.page.goto('./');
    const { fault } = new Chat(visit.page);
    await expect(fault).toBeVisible();
    expect(await fault.getAttribute('data-code')).toBe(code);
    await expect(fault.locator('.fault-message')).toHaveText(says);
    await expect(fault.getByRole('button').first()).toBeVisible();
    const weights = server.seen.filter(
      ({ path, range }) => /\.safetensors$/.test(path) && !isHeadOnly(range),
    );
    expect(weights, 'downloaded weights').toEqual([]);
  });
}

test('refuses weights that are no numbers', async ({ visit, server }) => {
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    server.files.set(name, served(readFileSync(new URL(name, defaultModelFolder))));
  }
  // The last four bytes are a weight: all ones is no number.
  changeWeights(server, (bytes) => bytes.fill(0xff, bytes.length - 4));
  await visit.page.goto('./');
  const { fault } = new Chat(visit.page);
  await expect(fault).toBeVisible();
  expect(await fault.getAttribute('data-code')).toBe('file-malformed');
});

test('a host that refuses is named with its reason, and another model can be chosen', async ({
  visit,
  server,
}) => {
  server.requiredToken = 'never given';
  await visit.page.goto('./');
  const { fault } = new Chat(visit.page);
  await expect(fault).toContainText(`${server.url}/tiny/config.json`);
  await expect(fault).toContainText('401');
  expect(await fault.getAttribute('data-code')).toBe('download-failed');
  await fault.getByRole('button', { name: 'Choose another model' }).click();
  await expect(visit.page.getByRole('dialog', { name: 'Choose a model' })).toBeVisible();
});

function changeConfig(server: ModelServer, fields: Readonly<Record<string, unknown>>): void {
  const file = server.files.get('config.json')!;
  const config = JSON.parse(new TextDecoder().decode(file.bytes(0, file.size))) as Record<string, unknown>;
  server.files.set('config.json', served(JSON.stringify({ ...config, ...fields })));
}

function changeWeights(server: ModelServer, change: (bytes: Uint8Array) => Uint8Array): void {
  const file = server.files.get('model.safetensors')!;
  server.files.set('model.safetensors', served(change(file.bytes(0, file.size).slice())));
}
