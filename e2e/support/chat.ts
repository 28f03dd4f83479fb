/** What a person does on the page, in its own words: found by roles and names, as a screen reader finds them. */
import { expect, type Locator, type Page } from 'playwright/test';

export interface Wishes {
  readonly temperature?: number;
  readonly seed?: number;
  readonly longestAnswer?: number;
  readonly systemPrompt?: string;
}

export class Chat {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  get question(): Locator {
    return this.page.getByRole('textbox', { name: 'Question', exact: true });
  }

  get turns(): Locator {
    return this.page.getByTestId('message-list').locator('> li');
  }

  /** The last answer. */
  get answer(): Locator {
    return this.turns.last().locator('.answer');
  }

  /** The last answer's rendered Markdown. */
  get answerText(): Locator {
    return this.answer.locator('.markdown');
  }

  /** A fault shown for a model or an answer. */
  get fault(): Locator {
    return this.page.getByRole('alert');
  }

  async ready(): Promise<void> {
    await expect(this.question).toHaveAttribute('placeholder', 'Ask something');
  }

  /** Changes settings; those not named stay. */
  async set(wishes: Wishes): Promise<void> {
    await this.page.getByRole('button', { name: 'Settings' }).click();
    const dialog = this.page.getByRole('dialog', { name: 'Settings' });
    const fields = {
      Temperature: wishes.temperature,
      Seed: wishes.seed,
      'Longest answer': wishes.longestAnswer,
      'System prompt': wishes.systemPrompt,
    };
    for (const [label, value] of Object.entries(fields)) {
      if (value !== undefined) await dialog.getByLabel(label, { exact: true }).fill(String(value));
    }
    await dialog.getByRole('button', { name: 'Close' }).click();
    await expect(dialog).toBeHidden();
  }

  async ask(question: string): Promise<void> {
    await this.question.fill(question);
    await this.question.press('Enter');
    await expect(this.turns.last()).toContainText(question);
  }

  /** Waits until the answer has ended by itself; returns its text. */
  async finished(): Promise<string> {
    await expect(this.answer).toHaveAttribute('data-state', /finished|failed|stopped/);
    await expect(this.answer).toHaveAttribute('data-state', 'finished');
    return this.text();
  }

  /** Waits until some text of the answer is there. */
  async begun(): Promise<string> {
    await expect(this.answerText).toHaveText(/\S/);
    return this.text();
  }

  async text(): Promise<string> {
    return (await this.answerText.innerText()).trim();
  }

  async newChat(): Promise<void> {
    await this.page.getByRole('button', { name: 'New chat' }).click();
    await expect(this.turns).toHaveCount(0);
  }

  /** A figure as shown, e.g. figure('Decode') is "1.68 tok/s". */
  async figure(name: string): Promise<string> {
    const row = this.page.getByTestId('stats').locator('dl > div', { hasText: name });
    return row.locator('dd').innerText();
  }

  async openModelDialog(): Promise<Locator> {
    await this.page.getByRole('button', { name: /^Model: / }).click();
    return this.page.getByRole('dialog', { name: 'Choose a model' });
  }
}
