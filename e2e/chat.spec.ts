/** A conversation with the default model, from the empty page on: one page, loaded once. */
import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright/test';
import { promised } from '../test/support/promised.ts';
import { Chat } from './support/chat.ts';
import { readGoldenTexts } from './support/golden.ts';
import { isHeadOnly } from './support/hosts.ts';
import { endVisit, expect, expectClean, openVisit, test, type Visit } from './support/visit.ts';

const golden = readGoldenTexts();
const figures = {
  rate: /^\d+(\.\d+)? tok\/s$/,
  duration: /^\d+(\.\d+)? (ms|s)$/,
  bytes: /^\d+(\.\d+)? [kMG]B$/,
};

test.describe
  .serial('a conversation', () => {
    let visit: Visit;
    let page: Page;
    let chat: Chat;

    test.beforeAll(async ({ browser }) => {
      visit = await openVisit(browser, { permissions: ['clipboard-read', 'clipboard-write'] });
      page = visit.page;
      chat = new Chat(page);
    });
    test.afterEach(() => expectClean(visit));
    test.afterAll(() => endVisit(visit));

    test('the model loads by itself, shows its progress and what it takes', async () => {
      const mayGoOn = promised<void>();
      await page.context().route(/model-00003-of-00003\.safetensors$/, async (route) => {
        if (!isHeadOnly(route.request().headers().range)) await mayGoOn.promise;
        await route.continue();
      });
      await page.goto('./');
      const progress = page.getByRole('progressbar', { name: /^Loading / });
      await expect(progress).toBeVisible();
      await expect(page.getByRole('region', { name: 'Loading the model' })).toContainText(/ MB of 98 MB/);
      const plan = page.locator('.welcome dl');
      await expect(plan).toContainText('apache-2.0');
      await expect(plan).toContainText('98 MB');
      await expect(plan).toContainText('8,192 tokens');
      await chat.question.fill('Why?');
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      await expect(chat.question, 'the focus does not go with the button').toBeFocused();
      const waits = page.getByText('Sent as soon as the model is ready.');
      await expect(waits).toBeVisible();
      await chat.question.fill('Why is');
      await expect(waits, 'half a sentence is not sent').toBeHidden();
      await chat.question.press('Enter');
      await page.getByRole('button', { name: 'Do not send yet' }).click();
      mayGoOn.resolve();
      await chat.ready();
      await expect(chat.question, 'what is not sent yet stays').toHaveValue('Why is');
      await expect(progress).toBeHidden();
      await expect(page.getByRole('button', { name: /^Model: SmolLM2-135M-Instruct-4bit/ })).toBeVisible();
      await page.setViewportSize({ width: 390, height: 600 });
      const welcome = page.getByRole('heading', { name: /^Ask a language model/ });
      await page.waitForTimeout(100);
      await expect(welcome, 'where there is little room, its beginning shows').toBeInViewport();
      await page.setViewportSize({ width: 1280, height: 800 });
    });

    test('the page carries its content-security policy, and the server sends it too', async () => {
      const meta = page.locator('head > meta[http-equiv="Content-Security-Policy"]');
      await expect(meta).toHaveAttribute('content', /default-src 'none'; script-src 'self';/);
      const response = await page.request.get('./');
      expect(response.headers()['content-security-policy']).toContain(
        "default-src 'none'; script-src 'self';",
      );
    });

    test('a question is answered piece by piece, with the words of the reference implementation', async () => {
      await chat.set({ temperature: 0, longestAnswer: 24 });
      await chat.ask('Why is the sky blue?');
      const seen = new Set([await chat.begun()]);
      while ((await chat.answer.getAttribute('data-state')) === 'writing') {
        seen.add(await chat.text());
        await page.waitForTimeout(100);
      }
      const text = await chat.finished();
      expect(text.length).toBeGreaterThan(60);
      expect(golden.get('sky')?.slice(0, text.length)).toBe(text);
      expect(seen.size, 'different texts on screen').toBeGreaterThan(5);
      for (const piece of seen) expect(text.startsWith(piece), piece).toBe(true);
      await expect(chat.answer).toContainText('24 tokens');
      await expect(chat.answer).toContainText('Ended at the longest answer');
    });

    test('speed, context and memory are shown', async () => {
      expect(await chat.figure('Decode')).toMatch(figures.rate);
      expect(await chat.figure('Prefill')).toMatch(figures.rate);
      expect(await chat.figure('First token')).toMatch(figures.duration);
      // The 36 tokens of the rendered question, then 24 of the answer; the last one was attended by nothing yet.
      expect(await chat.figure('Tokens')).toBe('60 of 8,192');
      expect(await chat.figure('Attended per step')).toBe('59 (100 %)');
      expect(await chat.figure('Weights')).toBe('98 MB');
      expect(await chat.figure('KV cache')).toMatch(figures.bytes);
      expect(await chat.figure('Scratch')).toMatch(figures.bytes);
    });

    test('a second question continues the conversation and reuses the cache', async () => {
      await chat.set({ longestAnswer: 4 });
      await chat.ask('Is it blue at night?');
      await chat.finished();
      await expect(chat.turns).toHaveCount(2);
      // All of the first question, and of its answer all but the token that was never fed.
      expect(Number(await chat.figure('Reused from cache'))).toBeGreaterThanOrEqual(36);
    });

    test('an earlier question can be edited: the conversation is cut there and answered anew', async () => {
      await chat.set({ longestAnswer: 24 });
      await chat.turns.first().getByRole('button', { name: 'Edit question' }).click();
      await page.getByRole('textbox', { name: 'Edited question' }).fill('What is the capital of France?');
      await page.getByRole('button', { name: 'Ask again' }).click();
      await expect(chat.turns).toHaveCount(1);
      expect(await chat.finished()).toBe(golden.get('paris'));
      // This answer ended by itself, not at its longest.
      await expect(chat.answer.locator('.note')).toHaveCount(0);
    });

    test('code is rendered as code and can be copied', async () => {
      await chat.newChat();
      await chat.ask('Write a Python function that returns the n-th Fibonacci number.');
      await chat.finished();
      const block = chat.answer.locator('figure.code-block');
      await expect(block.locator('figcaption')).toContainText('python');
      const code = await block.locator('pre code').innerText();
      expect(code.trim().length).toBeGreaterThan(30);
      const fenced = `\`\`\`python\n${code.trim()}`;
      expect(golden.get('python')?.slice(0, fenced.length)).toBe(fenced);
      await block.getByRole('button', { name: 'Copy code' }).click();
      expect((await page.evaluate(() => navigator.clipboard.readText())).trim()).toBe(code.trim());
    });

    for (const scheme of ['light', 'dark'] as const) {
      test(`the page is accessible and fits, ${scheme}`, async () => {
        await page.emulateMedia({ colorScheme: scheme });
        await expectAccessible(page);
        await expectNoSidewaysScroll(page);
        await screenshot(page, `chat-${scheme}`);

        await page.getByRole('button', { name: 'Settings' }).click();
        await expectAccessible(page);
        await screenshot(page, `settings-${scheme}`);
        await page.keyboard.press('Escape');

        await chat.openModelDialog();
        await page.getByRole('button', { name: 'Check what it takes' }).click();
        await expect(page.getByRole('button', { name: 'Load', exact: true })).toBeVisible();
        await expectAccessible(page);
        await screenshot(page, `model-${scheme}`);
        await page.keyboard.press('Escape');

        await page.setViewportSize({ width: 390, height: 844 });
        await expectAccessible(page);
        await expectNoSidewaysScroll(page);
        await screenshot(page, `chat-phone-${scheme}`);
        await page.setViewportSize({ width: 390, height: 600 });
        await chat.openModelDialog();
        await expect(page.getByText('Where its files are'), 'a dialog opens at its top').toBeInViewport();
        await page.keyboard.press('Escape');
        await page.setViewportSize({ width: 1280, height: 800 });
      });
    }

    test('the system prompt counts, and a list is rendered as a list', async () => {
      await chat.newChat();
      await chat.set({ systemPrompt: 'You are terse.' });
      await chat.ask('List five fruits.');
      await chat.finished();
      const fruits = golden.get('system')!.split('\n').slice(0, 3);
      const items = await chat.answerText.locator('ol > li').allInnerTexts();
      expect(items.slice(0, 3).map((item, i) => `${i + 1}. ${item.trim()}`)).toEqual(fruits);
      await chat.set({ systemPrompt: '' });
    });

    test('Escape and the button stop an answer; its text stays and it can be regenerated', async () => {
      await chat.newChat();
      await chat.set({ longestAnswer: 1000 });
      await chat.ask('Tell me a long story about the sea.');
      const begun = await chat.begun();
      await page.keyboard.press('Escape');
      await expect(chat.answer).toHaveAttribute('data-state', 'stopped');
      const stopped = await chat.text();
      expect(stopped.startsWith(begun)).toBe(true);
      await page.waitForTimeout(3000);
      expect(await chat.text(), 'nothing is written after the stop').toBe(stopped);

      await page.getByRole('button', { name: 'Regenerate answer' }).click();
      const anew = await chat.begun();
      const shorter = Math.min(anew.length, stopped.length);
      expect(anew.slice(0, shorter)).toBe(stopped.slice(0, shorter));
      await chat.question.fill('And then?');
      await page.getByRole('button', { name: 'Stop' }).click();
      await expect(chat.answer).toHaveAttribute('data-state', 'stopped');
      await expect(chat.question, 'what is being written is not sent').toHaveValue('And then?');
      await expect(chat.turns).toHaveCount(1);

      await chat.set({ longestAnswer: 3 });
      await page.getByRole('button', { name: 'Regenerate answer' }).click();
      await chat.finished();
      await expect(chat.answer).toContainText('3 tokens');
    });

    test('temperature and seed take effect', async () => {
      const answerTo = async (temperature: number, seed: number): Promise<string> => {
        await chat.newChat();
        await chat.set({ temperature, seed, longestAnswer: 8 });
        await chat.ask('Name a colour.');
        return chat.finished();
      };
      const greedy = await answerTo(0, 1);
      expect(await answerTo(0, 2), 'at temperature 0 the seed has no say').toBe(greedy);
      const drawn = await answerTo(2, 1);
      expect(await answerTo(2, 1), 'the same seed draws the same answer').toBe(drawn);
      expect(await answerTo(2, 2), 'another seed draws another').not.toBe(drawn);
      expect(drawn, 'a high temperature is not greedy').not.toBe(greedy);
    });
  });

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`,
  );
  expect(found, 'axe').toEqual([]);
}

async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const surplus = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });
  expect(surplus, 'pixels beside the window').toBe(0);
}

/** For people to look at: nothing compares them. */
async function screenshot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: `test-results/screens/${name}.png` });
}
