/** Where a model's files come from, and what of them is kept. */
import { cpSync, rmSync } from 'node:fs';
import type { ModelServer } from '../test/support/model-server.ts';
import { promised } from '../test/support/promised.ts';
import { Chat } from './support/chat.ts';
import { readGoldenTexts } from './support/golden.ts';
import { peakHeap } from './support/heap.ts';
import { defaultModelFolder, deployWith, firstByte, isHeadOnly, serveFolder } from './support/hosts.ts';
import { expect, test } from './support/visit.ts';

const golden = readGoldenTexts();
const shard = /\.safetensors$/;
const heapLimit = 200e6;

test.describe('from the page’s own server', () => {
  test('loading takes little memory; a reload takes the weights from the browser’s storage', async ({
    visit,
  }) => {
    const { page, requests } = visit;
    const chat = new Chat(page);
    await page.goto('about:blank');
    const first = await peakHeap(page, async () => {
      await page.goto('./');
      await chat.ready();
    });
    console.log(`largest JavaScript heap while loading: ${(first.bytes / 1e6).toFixed(1)} MB`);
    expect(first.workerSamples).toBeGreaterThan(5);
    expect(first.bytes).toBeGreaterThan(1e6);
    expect(first.bytes).toBeLessThan(heapLimit);
    const downloads = requests.filter(({ url, range }) => shard.test(url) && !isHeadOnly(range));
    expect(downloads.length).toBeGreaterThanOrEqual(3);
    await chat.set({ temperature: 0, longestAnswer: 7 });

    requests.length = 0;
    await page.reload();
    await chat.question.fill('What is the capital of France?');
    await chat.question.press('Enter');
    await expect(page.getByText('Sent as soon as the model is ready.')).toBeVisible();
    await chat.ready();
    const again = requests.filter(({ url, range }) => shard.test(url) && !isHeadOnly(range));
    expect(again.map(({ url, range }) => `${url} ${range}`)).toEqual([]);
    await expect(chat.question).toHaveValue('');
    const answer = await chat.finished();
    expect(answer, 'weights from storage and settings kept').toBe(golden.get('paris'));

    await page.getByRole('button', { name: 'Settings' }).click();
    const dialog = page.getByRole('dialog', { name: 'Settings' });
    await expect(dialog).toContainText('100 MB');
  });
});

test('a model that two tabs want is downloaded once: the second says that it waits, and takes it from storage', async ({
  visit,
}) => {
  const { page } = visit;
  const context = page.context();
  const other = await context.newPage();
  const weights: string[] = [];
  for (const tab of [page, other]) {
    tab.on('request', (request) => {
      const { range } = request.headers();
      if (shard.test(request.url()) && !isHeadOnly(range)) weights.push(`${request.url()} ${range}`);
    });
  }
  const mayGoOn = promised<void>();
  await context.route(/model-00003-of-00003\.safetensors$/, async (route) => {
    if (!isHeadOnly(route.request().headers().range)) await mayGoOn.promise;
    await route.continue();
  });
  const loading = { name: 'Loading the model' };
  await page.goto('./');
  await expect(page.getByRole('region', loading)).toContainText('of 98 MB');
  await other.goto('./');
  await expect(other.getByRole('region', loading)).toContainText('Another tab is downloading this model.');
  mayGoOn.resolve();
  for (const tab of [page, other]) {
    await new Chat(tab).ready();
    await expect(tab.getByRole('status', { name: 'Warnings' })).toHaveCount(0);
  }
  expect(weights.length).toBe(3);
  expect(new Set(weights).size).toBe(3);
});

test('a model that finds no room in the browser’s storage is loaded all the same, and the page says so', async ({
  visit,
}) => {
  const { page } = visit;
  const session = await page.context().newCDPSession(page);
  await page.goto('about:blank');
  const origin = new URL(test.info().project.use.baseURL!).origin;
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1_000_000 });
  await page.goto('./');
  const chat = new Chat(page);
  await chat.ready();
  await expect(page.getByRole('status', { name: 'Warnings' })).toContainText(/storage/i);
});

test.describe('from another host', () => {
  let server: ModelServer;
  test.beforeEach(async () => {
    server = await serveFolder(defaultModelFolder);
  });
  test.afterEach(() => server.stop());

  const weightRequests = () =>
    server.seen.filter(({ path, range }) => shard.test(path) && !isHeadOnly(range));

  test('what a model takes is shown before its weights are downloaded; a cut download goes on where it was cut', async ({
    visit,
  }) => {
    const { page } = visit;
    visit.hosts.add(server.url);
    await deployWith(visit, null);
    await page.goto('./');
    const chat = new Chat(page);
    await expect(page.getByText('No model is loaded.')).toBeVisible();
    const dialog = await chat.openModelDialog();
    await dialog.getByRole('radio', { name: 'Web address' }).check();
    await dialog.getByLabel('Address of the model’s folder').fill(`${server.url}/smol`);
    await dialog.getByLabel('Context length').fill('512');
    await dialog.getByRole('button', { name: 'Check what it takes' }).click();
    const load = dialog.getByRole('button', { name: 'Load', exact: true });
    await expect(load).toBeVisible();
    await expect(dialog).toContainText('512 tokens');
    await expect(dialog).toContainText('apache-2.0');
    expect(weightRequests(), 'weights before Load').toEqual([]);

    server.misbehave('model-00002-of-00003.safetensors', { cut: { afterBytes: 9e6, times: 1 } });
    await load.click();
    await chat.ready();
    const starts = weightRequests()
      .filter(({ path }) => path.includes('00002'))
      .map(({ range }) => firstByte(range));
    expect(starts.length).toBe(2);
    // what a broken connection still held, up to some MB, is lost with it
    expect(starts[1]).toBeGreaterThan(4e6);
    expect(starts[1]).toBeLessThan(10e6);
    expect(await chat.figure('Tokens')).toBe('0 of 512');
  });

  test('a download left unfinished is taken up after a reload', async ({ visit }) => {
    const { page } = visit;
    visit.hosts.add(server.url);
    await deployWith(visit, `${server.url}/smol/`);
    const name = 'model-00003-of-00003.safetensors';
    server.misbehave(name, { stallAfter: 20e6 });
    await page.goto('./');
    const chat = new Chat(page);
    await expect(page.getByRole('region', { name: 'Loading the model' })).toContainText(/8\d MB of 98 MB/);
    server.misbehaviours.clear();
    server.seen.length = 0;
    await page.reload();
    await chat.ready();
    // Two files are whole, and of the third what came until its last record, one per 16 MiB.
    const requests = weightRequests();
    expect(requests.map(({ path }) => path)).toEqual([`/smol/${name}`]);
    expect(firstByte(requests[0]?.range)).toBeGreaterThanOrEqual(16 * 2 ** 20);
  });

  test('a hub’s redirects are followed; the access token goes to the hub alone', async ({ visit }) => {
    const { page } = visit;
    const hub = 'https://huggingface.co';
    const tokens: (string | undefined)[] = [];
    server.redirectToCdn = true;
    for (const host of [hub, server.url, server.cdnUrl]) visit.hosts.add(host);
    await page.route(`${hub}/**`, (route) => {
      tokens.push(route.request().headers().authorization);
      const { pathname } = new URL(route.request().url());
      return route.fulfill({
        status: 307,
        headers: { location: `${server.url}${pathname}`, 'access-control-allow-origin': '*' },
      });
    });
    await deployWith(visit, null);
    await page.goto('./');
    const chat = new Chat(page);
    const dialog = await chat.openModelDialog();
    await dialog.getByRole('radio', { name: 'Hugging Face' }).check();
    await dialog.getByLabel('Repository').fill('someone/SmolLM2');
    await dialog.getByLabel('Access token').fill('hf_secret');
    await dialog.getByRole('button', { name: 'Check what it takes' }).click();
    await dialog.getByRole('button', { name: 'Load', exact: true }).click();
    await chat.ready();
    await expect(page.getByRole('button', { name: /^Model: someone\/SmolLM2/ })).toBeVisible();
    expect(new Set(tokens)).toEqual(new Set(['Bearer hf_secret']));
    expect(server.seen.filter(({ authorization }) => authorization !== undefined)).toEqual([]);
    expect(weightRequests().some(({ host }) => host === 'cdn')).toBe(true);
    expect(
      weightRequests().every(({ path }) => path.includes(server.commit!) || path.startsWith('/blobs/')),
    ).toBe(true);
  });
});

test('a model in a folder is read where it is', async ({ visit }, testInfo) => {
  const { page, requests } = visit;
  // Browsers leave links out of a chosen folder: a copy has none.
  const folder = testInfo.outputPath('SmolLM2-135M-Instruct-4bit');
  cpSync(defaultModelFolder, folder, { recursive: true, dereference: true });
  await deployWith(visit, null);
  await page.goto('./');
  const chat = new Chat(page);
  const dialog = await chat.openModelDialog();
  await dialog.getByRole('radio', { name: 'Folder on this computer' }).check();
  await dialog.locator('input[type=file]').setInputFiles(folder);
  await expect(dialog).toContainText('SmolLM2-135M-Instruct-4bit');
  await dialog.getByRole('button', { name: 'Check what it takes' }).click();
  await dialog.getByRole('button', { name: 'Load', exact: true }).click();
  await chat.ready();
  await chat.set({ temperature: 0, longestAnswer: 7 });
  await chat.ask('What is the capital of France?');
  expect(await chat.finished()).toBe(golden.get('paris'));
  expect(requests.filter(({ url }) => shard.test(url))).toEqual([]);
  rmSync(folder, { recursive: true });
});
