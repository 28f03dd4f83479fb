/** Learning signatures on the page: refused, paused, gone on with, used, downloaded, found again and removed. */
import { readFileSync } from 'node:fs';
import AxeBuilder from '@axe-core/playwright';
import { Random } from '../src/kernels/testing/random.ts';
import { parseModelConfig } from '../src/model/config.ts';
import { hashMapsFile, parseHashMaps } from '../src/model/hash-maps.ts';
import { parseSafetensorsHeader } from '../src/model/safetensors.ts';
import { byteTokenizer } from '../test/support/byte-tokenizer.ts';
import { ModelServer, served } from '../test/support/model-server.ts';
import { randomModel } from '../test/support/random-model.ts';
import { Chat } from './support/chat.ts';
import { deployWith } from './support/hosts.ts';
import { expect, test } from './support/visit.ts';

const seed = Date.now() % 2 ** 31;
const steps = 24;

test('signatures are learned, used at once, kept with the model and removed', async ({ visit }) => {
  const { page } = visit;
  console.log(`seed of the model: ${seed}`);
  const server = new ModelServer();
  const shape = { layers: 2, qHeads: 2, kvHeads: 1, headDim: 32 };
  const files = randomModel(new Random(seed), shape);
  for (const [name, bytes] of files) server.files.set(name, served(bytes, `"${name}"`));
  const config = {
    ...JSON.parse(new TextDecoder().decode(files.get('config.json'))),
    max_position_embeddings: 1024,
  };
  server.files.set('config.json', served(JSON.stringify(config)));
  server.files.set('tokenizer.json', served(JSON.stringify(byteTokenizer())));
  const template = '{% for message in messages %}{{ message.content }}{% endfor %}';
  server.files.set('tokenizer_config.json', served(JSON.stringify({ chat_template: template })));
  await server.start();
  visit.hosts.add(server.url);
  await deployWith(visit, `${server.url}/tiny/`);

  const chat = new Chat(page);
  const settings = page.getByRole('dialog', { name: 'Settings' });
  const learning = page.getByRole('dialog', { name: 'Learn signatures' });
  const closeDialog = () => page.getByRole('button', { name: 'Close' }).click();
  const button = (name: string | RegExp) => learning.getByRole('button', { name });
  const openLearning = async () => {
    await page.getByRole('button', { name: 'Settings' }).click();
    await settings.getByRole('button', { name: 'Learn signatures for this model' }).click();
    await expect(settings).toBeHidden();
  };
  const stepsDone = async () => Number(await learning.getByRole('progressbar').getAttribute('value'));

  await page.goto('./');
  await chat.ready();
  await openLearning();
  await expect(learning.getByText(/^Untrained signatures/)).toBeVisible();
  await learning.getByRole('radio', { name: /^My own/ }).check();
  const text = {
    name: 'short.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('Too short to learn from. '.repeat(70)),
  };
  await learning.getByLabel('Text files').setInputFiles(text);
  await learning.getByLabel('Steps').fill(String(steps));
  await learning.getByLabel('Longest sequence').fill('384');
  await button('Learn').click();
  await expect(learning.getByRole('alert'), 'five sequences are needed').toContainText(
    `has ${text.buffer.length} tokens; sequences of 384 tokens, with 2 kept aside, need 1920`,
  );
  await button('Change what to learn from').click();

  await expect(learning.getByLabel('Longest sequence'), 'what was typed is kept').toHaveValue('384');
  await learning.getByRole('radio', { name: /^The sample/ }).check();
  const started = Date.now();
  await button('Learn').click();
  await expect.poll(stepsDone).toBeGreaterThanOrEqual(2);
  await button('Pause').click();
  await expect(learning.getByText(/^Paused\./)).toBeVisible();
  const paused = await stepsDone();
  expect(paused, 'paused on the way').toBeLessThan(steps);
  const asksBeforeLeaving = () =>
    page.evaluate(() => !dispatchEvent(new Event('beforeunload', { cancelable: true })));
  expect(await asksBeforeLeaving(), 'what was learned so far would be lost').toBe(true);
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id }) => id)).toEqual([]);

  // While it is paused the model answers, and the dialog may be closed.
  await closeDialog();
  await expect(page.getByText(/^Learning signatures: paused after step \d+ of 24\.$/)).toBeVisible();
  await chat.set({ temperature: 0, longestAnswer: 4 });
  await chat.ask('Is anyone there?');
  await chat.finished();
  await openLearning();
  expect(await stepsDone(), 'nothing was lost').toBe(paused);
  await closeDialog();
  await page.getByRole('button', { name: 'Go on learning' }).click();
  await page.getByRole('button', { name: 'Show learning' }).click();
  await expect(learning.getByText(`Learned in ${steps} steps.`)).toBeVisible();
  console.log(
    `${steps} steps in ${((Date.now() - started) / 1000).toFixed(1)} s, a pause and an answer included`,
  );
  const loss = learning.getByRole('img', {
    name: /^Loss over steps: [\d.]+ after 24 steps; [\d.]+ after 1 step$/,
  });
  await expect(loss).toBeVisible();
  const recall = await learning.getByRole('img', { name: /^Recall / }).getAttribute('aria-label');
  const [last, first] = [...(recall ?? '').matchAll(/([\d.]+) %/g)].map((match) => Number(match[1]));
  expect(last, `seen: 44 to 61 %; now: ${recall}`).toBeGreaterThan(first! + 3);

  const downloading = page.waitForEvent('download');
  await button(/^Download /).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe(hashMapsFile);
  const bytes = new Uint8Array(readFileSync(await download.path()));
  const header = parseSafetensorsHeader(bytes, { file: hashMapsFile, fileSize: bytes.length });
  expect(parseHashMaps(header, parseModelConfig(config))).toMatchObject({
    bits: 32,
    sharing: 'kv-head',
    trainedLength: 384,
  });

  await button('Use these signatures').click();
  await expect(learning.getByText('They are in use, and kept with the model in this browser.')).toBeVisible();
  await expect(learning.getByText(/^Signatures learned in this browser/)).toBeVisible();
  expect(await asksBeforeLeaving(), 'kept').toBe(false);
  await closeDialog();

  // Sparse from the first token on, with what was learned; again after a reload, from storage.
  await page.getByRole('button', { name: 'Settings' }).click();
  await settings.getByRole('radio', { name: /^Sparse / }).check();
  await expect(settings.getByText(/^Signatures learned in this browser/)).toBeVisible();
  await settings.getByText('Details', { exact: true }).click();
  await settings.getByLabel('Sink', { exact: true }).fill('1');
  await settings.getByLabel('Window', { exact: true }).fill('2');
  await closeDialog();
  const attended = () => chat.figure('Attended per step');
  const densely = await attended();
  await page.getByRole('button', { name: 'Regenerate answer' }).click();
  await expect.poll(attended, 'one layer of two is sparse').not.toBe(densely);
  await chat.finished();
  await page.reload();
  await chat.ready();
  await page.getByRole('button', { name: 'Settings' }).click();
  await expect(settings.getByText(/^Signatures learned in this browser/)).toBeVisible();
  await settings.getByRole('button', { name: 'Remove learned signatures' }).click();
  await expect(settings.getByText(/^Untrained signatures/)).toBeVisible();
  await expect(settings.getByRole('button', { name: 'Remove learned signatures' })).toBeHidden();
  await server.stop();
});
