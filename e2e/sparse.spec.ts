/** Switching between dense and sparse attention in a running conversation: one page, loaded once. */
import AxeBuilder from '@axe-core/playwright';
import { Chat } from './support/chat.ts';
import { expect, test } from './support/visit.ts';

const automatic = /^Automatic: /;
const dense = /^Dense: /;
const sparse = /^Sparse \(HashAttention\): /;

test('attention is switched without loading or reading anything again', async ({ visit }) => {
  const { page } = visit;
  const chat = new Chat(page);
  const settings = page.getByRole('dialog', { name: 'Settings' });
  const openSettings = () => page.getByRole('button', { name: 'Settings' }).click();
  const closeSettings = () => settings.getByRole('button', { name: 'Close' }).click();
  const count = async (name: string) => Number.parseInt((await chat.figure(name)).replaceAll(',', ''), 10);
  const weightRequests = () => visit.requests.filter(({ url }) => /\/model-\d+-of-\d+\./.test(url)).length;

  await page.goto('./');
  await chat.ready();
  const loaded = weightRequests();
  expect(loaded, 'requests for weights while loading').toBeGreaterThan(0);
  await chat.set({ temperature: 0, longestAnswer: 12 });
  await chat.ask('Why is the sky blue?');
  await chat.finished();
  const answer = await chat.text();
  const context = await count('Tokens');
  // The last token was attended by nothing yet.
  expect(await count('Attended per step')).toBe(context - 1);
  expect(await chat.figure('Attention reads')).toBe(await chat.figure('Dense would read'));

  await openSettings();
  await expect(settings.getByRole('radio', { name: automatic })).toBeChecked();
  await settings.getByRole('radio', { name: sparse }).check();
  await expect(settings.getByLabel('Selected tokens', { exact: true })).toHaveValue('16');
  await settings.getByLabel('Selected tokens', { exact: true }).selectOption('1/4 of the context');
  await expect(settings.getByLabel('Sink', { exact: true })).toBeHidden();
  await settings.getByText('Details', { exact: true }).click();
  await settings.getByLabel('Sink', { exact: true }).fill('4');
  await settings.getByLabel('Window', { exact: true }).fill('16');
  await expect(settings.getByLabel('Selected tokens by layer')).toHaveValue('maps');
  await settings.getByLabel('Selected tokens by layer').selectOption('As many in every layer');
  await expect(settings.getByText('Signatures trained for this model: 32 bits')).toBeVisible();
  await expect(settings.getByRole('radio', { name: automatic })).toHaveAccessibleName(
    /^Automatic: (sparse from [\d,]+ tokens on|dense, as this device gains nothing)/,
  );
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id }) => id)).toEqual([]);
  await closeSettings();

  // Long enough to be followed.
  await chat.set({ longestAnswer: 40 });
  await page.getByRole('button', { name: 'Regenerate answer' }).click();
  await page.getByRole('button', { name: 'What was looked up' }).click();
  const panel = page.getByRole('dialog', { name: 'What was looked up' });
  await expect(panel.getByText(/; following the answer$/)).toBeVisible();
  await expect(panel.getByRole('button', { name: 'Follow' })).toBeDisabled();
  await panel.getByRole('button', { name: 'Earlier' }).click();
  await expect(panel.getByText(/; the next is “[^”]*”$/)).toBeVisible();
  await expect(panel.locator('mark').first()).toBeVisible();
  await panel.getByRole('button', { name: 'Close' }).click();
  await chat.finished();
  await chat.set({ longestAnswer: 12 });
  // One layer stays dense, the others attend to sink, window and a quarter: about 32 of 47 on average.
  const attended = await count('Attended per step');
  expect(attended).toBeGreaterThan(4 + 16);
  expect(attended).toBeLessThan((await count('Tokens')) - 1);
  expect(await count('Reused from cache'), 'the question is not read again').toBeGreaterThanOrEqual(30);
  expect(await chat.figure('Attention reads')).not.toBe(await chat.figure('Dense would read'));

  await openSettings();
  await settings.getByRole('radio', { name: dense }).check();
  await expect(settings.getByLabel('Selected tokens', { exact: true })).toBeHidden();
  await closeSettings();
  await page.getByRole('button', { name: 'Regenerate answer' }).click();
  await expect(chat.answer).not.toHaveAttribute('data-state', 'finished');
  expect(await chat.finished(), 'dense again: the same answer').toBe(answer);
  expect(await count('Tokens')).toBe(context);
  expect(await count('Attended per step')).toBe(context - 1);
  expect(await count('Reused from cache')).toBeGreaterThanOrEqual(30);

  expect(weightRequests(), 'requests for weights after loading').toBe(loaded);

  await page.getByRole('button', { name: 'What was looked up' }).click();
  await expect(panel.getByText('every layer attended to every token')).toBeVisible();
  await panel.getByRole('button', { name: 'Close' }).click();

  await page.reload();
  await expect(chat.answerText, 'the conversation survives a reload').toHaveText(answer);
  await chat.ready();
  await openSettings();
  await expect(settings.getByRole('radio', { name: dense }), 'settings survive a reload').toBeChecked();
  await settings.getByRole('radio', { name: sparse }).check();
  await expect(settings.getByLabel('Selected tokens', { exact: true })).toHaveValue('4');
  await settings.getByText('Details', { exact: true }).click();
  await expect(settings.getByLabel('Window', { exact: true })).toHaveValue('16');
  await expect(settings.getByLabel('Selected tokens by layer')).toHaveValue('uniform');
});
