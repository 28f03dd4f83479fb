/** Models and browsers that cannot work: refused in plain words, before any weight is downloaded. */
import { readFileSync } from 'node:fs';
import { ModelServer, served } from '../test/support/model-server.ts';
import { Chat } from './support/chat.ts';
import {
  defaultModelFolder,
  deployWith,
  isHeadOnly,
  serveFolder,
  tinyModelsFolder,
} from './support/hosts.ts';
import { endVisit, expect, openVisit, test } from './support/visit.ts';

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
  test(`refuses ${what}`, async ({ visit }) => {
    const server = await serveFolder(new URL('llama-f32/', tinyModelsFolder));
    spoil(server);
    visit.hosts.add(server.url);
    await deployWith(visit, `${server.url}/tiny/`);
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
    await server.stop();
  });
}

test('refuses weights that are no numbers', async ({ visit }) => {
  const server = await serveFolder(new URL('llama-f32/', tinyModelsFolder));
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    server.files.set(name, served(readFileSync(new URL(name, defaultModelFolder))));
  }
  // The last four bytes are a weight: all ones is no number.
  changeWeights(server, (bytes) => bytes.fill(0xff, bytes.length - 4));
  visit.hosts.add(server.url);
  await deployWith(visit, `${server.url}/tiny/`);
  await visit.page.goto('./');
  const { fault } = new Chat(visit.page);
  await expect(fault).toHaveAttribute('data-code', 'file-malformed');
  await server.stop();
});

test('a host that is not there is named, and the page goes on', async ({ visit }) => {
  const server = new ModelServer();
  await server.start();
  visit.hosts.add(server.url);
  await deployWith(visit, `${server.url}/tiny/`);
  server.requiredToken = 'never given';
  await visit.page.goto('./');
  const chat = new Chat(visit.page);
  await expect(chat.fault).toHaveAttribute('data-code', 'download-failed');
  await expect(chat.fault).toContainText(`${server.url}/tiny/config.json`);
  await expect(chat.fault).toContainText('401');
  await chat.fault.getByRole('button', { name: 'Choose another model' }).click();
  await expect(visit.page.getByRole('dialog', { name: 'Choose a model' })).toBeVisible();
  await server.stop();
});

test('without WebGPU the page says so, and what to do', async ({ playwright, launchOptions }) => {
  const browser = await playwright.chromium.launch({
    ...launchOptions,
    args: ['--no-sandbox', '--disable-gpu'],
  });
  const visit = await openVisit(browser);
  await visit.page.goto('./');
  const { fault } = new Chat(visit.page);
  await expect(fault).toHaveAttribute('data-code', 'webgpu-unavailable');
  await expect(fault).toContainText('graphics processor');
  await expect(fault.getByRole('button', { name: 'Reload the page' })).toBeVisible();
  await endVisit(visit);
  await browser.close();
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
