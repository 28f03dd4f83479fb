/** A fact in the middle of a long question, found by sparse attention, shown in what was looked up, and lost by a window. */
import { readFileSync } from 'node:fs';
import AxeBuilder from '@axe-core/playwright';
import { Chat } from './support/chat.ts';
import { expect, test } from './support/visit.ts';

interface Needle {
  readonly prompt: string;
  readonly needle: string;
  readonly answer: string;
  readonly attention: { readonly sink: number; readonly window: number; readonly budget: { tokens: number } };
}

const { prompt, needle, answer, attention } = JSON.parse(
  readFileSync(new URL('../test/data/needle-350.json', import.meta.url), 'utf8'),
) as Needle;

test('sparse attention answers from a fact that a window does not reach, and shows where it looked', async ({
  visit,
}) => {
  const { page } = visit;
  const chat = new Chat(page);
  const settings = page.getByRole('dialog', { name: 'Settings' });
  const openSettings = () => page.getByRole('button', { name: 'Settings' }).click();
  const closeSettings = () => settings.getByRole('button', { name: 'Close' }).click();

  await page.goto('./');
  await chat.ready();
  await chat.set({ temperature: 0, longestAnswer: 24 });
  await openSettings();
  await settings.getByRole('radio', { name: /^Sparse / }).check();
  await settings.getByLabel('Selected tokens', { exact: true }).selectOption('A fixed number');
  await settings.getByLabel('Number of selected tokens').fill(String(attention.budget.tokens));
  await settings.getByText('Details', { exact: true }).click();
  await settings.getByLabel('Sink', { exact: true }).fill(String(attention.sink));
  await settings.getByLabel('Window', { exact: true }).fill(String(attention.window));
  await closeSettings();
  await chat.question.fill(prompt);
  await chat.question.press('Enter');
  expect(await chat.finished()).toContain(answer);

  await page.getByRole('button', { name: 'What was looked up' }).click();
  const panel = page.getByRole('dialog', { name: 'What was looked up' });
  const text = panel.getByRole('region', { name: 'The context, marked' });
  await expect(text).toContainText(needle);
  // The steps that wrote the answer: back from the last token to one of its digits.
  const status = panel.getByText(/^After “/);
  for (let steps = 0; !/After “\d”/.test(await status.innerText()); steps++) {
    expect(steps, 'steps back to a digit of the answer').toBeLessThan(8);
    const before = await status.innerText();
    await panel.getByRole('button', { name: 'Earlier' }).click();
    await expect(status).not.toHaveText(before);
  }
  const strong = text.locator('mark:not([data-level="1"])');
  const digits = (await strong.allInnerTexts()).join('|');
  const digitsInNeedle = [...answer].filter((digit) => digits.includes(digit));
  expect(digitsInNeedle.length, `digits of the needle among the strong marks ${digits}`).toBeGreaterThan(0);
  await expect(panel.getByRole('list')).toContainText(answer);
  const rows = panel.getByRole('row');
  // A row of titles, one for all layers, one for each of the 30.
  await expect(rows).toHaveCount(32);
  await expect(rows.nth(1)).toHaveText(/^All sparse\d+ %\d+ %[\d.]+ %$/);
  await expect(rows.nth(2)).toHaveText(/^0–––$/);
  await panel.getByLabel('Layer', { exact: true }).selectOption('Layer 9');
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id }) => id)).toEqual([]);
  await panel.getByRole('button', { name: 'Close' }).click();

  await openSettings();
  await settings.getByText('Details', { exact: true }).click();
  await settings.getByLabel('Tokens are chosen by').selectOption('To compare: sink and window only');
  await closeSettings();
  await page.getByRole('button', { name: 'Regenerate answer' }).click();
  await expect(chat.answer).not.toHaveAttribute('data-state', 'finished');
  expect(await chat.finished(), 'sink and window alone').not.toContain(answer);
});
