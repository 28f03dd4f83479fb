/** How much JavaScript memory a model of 3 GB takes while it loads. Too long for `npm test`: see docs/lab-notes.md. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, expect, test } from 'playwright/test';
import { ModelServer } from '../test/support/model-server.ts';
import { Chat } from './support/chat.ts';
import { endlessCheckpoint } from './support/endless-checkpoint.ts';
import { peakHeap } from './support/heap.ts';

/** Llama 3.2 1B with five layers more. */
const config = {
  model_type: 'llama',
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 21,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  vocab_size: 128256,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  tie_word_embeddings: true,
  torch_dtype: 'float16',
};
const heapLimit = 200e6;

test('3 GB of F16 in three files, as stored', async ({ baseURL }, testInfo) => {
  const seed = Date.now() % 2 ** 31;
  const { files, bytes } = endlessCheckpoint(config, 3, seed);
  expect(bytes).toBeGreaterThan(3e9);
  const server = new ModelServer();
  for (const [name, file] of files) server.files.set(name, file);
  await server.start();
  // A profile on disk: in a private one, the browser would keep stored files in memory.
  const profile = mkdtempSync(join(tmpdir(), 'heap-'));
  const context = await chromium.launchPersistentContext(profile, testInfo.project.use.launchOptions ?? {});
  const page = await context.newPage();
  const warnings: string[] = [];
  page.on('console', (message) => {
    if (message.type() !== 'log' && message.type() !== 'info') warnings.push(message.text());
  });
  await page.route(
    (url) => url.pathname === '/config.json',
    (route) => route.fulfill({ json: { defaultModel: null } }),
  );
  await page.goto(baseURL!);
  const chat = new Chat(page);
  const dialog = await chat.openModelDialog();
  await dialog.getByRole('radio', { name: 'Web address' }).check();
  await dialog.getByLabel('Address of the model’s folder').fill(`${server.url}/endless`);
  await dialog.getByLabel('Weights').selectOption('stored');
  await dialog.getByLabel('Context length').fill('1024');
  await dialog.getByRole('button', { name: 'Check what it takes' }).click();
  const load = dialog.getByRole('button', { name: 'Load', exact: true });
  await expect(load).toBeVisible();
  const started = Date.now();
  const peak = await peakHeap(page, async () => {
    await load.click();
    const fault = chat.fault.waitFor().then(async () => {
      throw new Error(await chat.fault.innerText());
    });
    await Promise.race([chat.ready(), fault]);
  });
  const seconds = (Date.now() - started) / 1000;
  console.log(
    `${(bytes / 1e9).toFixed(2)} GB in ${seconds.toFixed(0)} s (seed ${seed}): largest JavaScript heap ` +
      `${(peak.bytes / 1e6).toFixed(1)} MB, ${peak.workerSamples} samples, at most ${peak.longestGapMs.toFixed(0)} ms apart`,
  );
  console.log(`console: ${warnings.join(' | ') || 'quiet'}`);
  await context.close();
  await server.stop();
  rmSync(profile, { recursive: true });
  expect(peak.workerSamples).toBeGreaterThan(50);
  expect(peak.bytes).toBeLessThan(heapLimit);
});
