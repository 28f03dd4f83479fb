/** The graphics device goes away while an answer is written: the answer goes on, and the conversation too. */
import type { Browser, Page, Route } from 'playwright/test';
import { Chat } from './support/chat.ts';
import { readGoldenTexts } from './support/golden.ts';
import { test as base, endVisit, expect, openVisit } from './support/visit.ts';

/** `ownBrowser`: one for this test, since a browser survives one crash of its GPU process. */
const test = base.extend<{ ownBrowser: Browser }>({
  ownBrowser: async ({ playwright, launchOptions }, use) => {
    const browser = await playwright.chromium.launch(launchOptions);
    await use(browser);
    await browser.close();
  },
});

const golden = readGoldenTexts();

/** Each takes the device away in its own way; `prepare` runs before the page opens. */
const losses = [
  {
    how: 'the device is destroyed',
    prepare: (page: Page) => page.route('**/assets/worker-*.js', keepDevice),
    lose: async (page: Page, _: Browser) => {
      for (const worker of page.workers()) {
        await worker.evaluate(() =>
          (globalThis as unknown as { keptDevice: GPUDevice }).keptDevice.destroy(),
        );
      }
    },
  },
  {
    how: 'the browser’s GPU process crashes',
    prepare: async (_: Page) => {},
    lose: async (_: Page, browser: Browser) => {
      const session = await browser.newBrowserCDPSession();
      // The answer to this command may be lost with the process.
      await Promise.race([
        session.send('Browser.crashGpuProcess').catch(() => undefined),
        new Promise((resolve) => setTimeout(resolve, 1000)),
      ]);
    },
  },
] as const;

for (const { how, prepare, lose } of losses) {
  test(`when ${how}, the answer goes on where it was`, async ({ ownBrowser }) => {
    const visit = await openVisit(ownBrowser);
    const { page } = visit;
    await prepare(page);
    await page.goto('./');
    const chat = new Chat(page);
    await chat.ready();
    await chat.set({ temperature: 0, longestAnswer: 24 });
    await chat.ask('Why is the sky blue?');
    await expect(chat.answerText).toContainText('answer to this');
    await Promise.all([
      lose(page, ownBrowser),
      expect(page.getByRole('status', { name: 'Recovering' })).toBeVisible(),
    ]);
    const text = await chat.finished();
    expect(text.length).toBeGreaterThan(60);
    expect(golden.get('sky')?.slice(0, text.length)).toBe(text);
    await expect(chat.answer).toContainText('24 tokens');
    await expect(page.getByRole('status', { name: 'Recovering' })).toBeHidden();

    await chat.set({ longestAnswer: 4 });
    await chat.ask('Is it blue at night?');
    await chat.finished();
    expect(Number(await chat.figure('Reused from cache'))).toBeGreaterThanOrEqual(36);
    await endVisit(visit);
  });
}

/** Lets the test reach the worker's device: the page itself offers no way to it. */
async function keepDevice(route: Route): Promise<void> {
  const response = await route.fetch();
  const keep = `{
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = async function (...options) {
      return (globalThis.keptDevice = await requestDevice.apply(this, options));
    };
  }`;
  await route.fulfill({ response, body: `${await response.text()}\n${keep}` });
}
