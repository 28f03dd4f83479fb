/** A browser without WebGPU: the page says so, and what to do. */
import { Chat } from './support/chat.ts';
import { expect, test } from './support/visit.ts';

test.use({
  launchOptions: async ({ launchOptions }, use) => {
    // a list: Playwright takes what is named there from `args`, too
    await use({ ...launchOptions, ignoreDefaultArgs: [], args: ['--no-sandbox', '--disable-gpu'] });
  },
});

test('without a graphics adapter the page says so, and what to do', async ({ visit }) => {
  await visit.page.goto('./');
  const { fault } = new Chat(visit.page);
  await expect(fault).toBeVisible();
  expect(await fault.getAttribute('data-code')).toBe('webgpu-unavailable');
  await expect(fault).toContainText('graphics processor');
  await expect(fault.getByRole('button', { name: 'Reload the page' })).toBeVisible();
});
