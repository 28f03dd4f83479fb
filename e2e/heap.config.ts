import { defineConfig } from 'playwright/test';
import standard from './playwright.config.ts';

/** `npx vite build && npx playwright test --config e2e/heap.config.ts`: takes minutes and 3 GB of disk and memory.
 *  TEST_GPU=hardware: on a graphics card. */
export default defineConfig({
  ...standard,
  testMatch: '*.heap.ts',
  outputDir: '../test-results/heap',
  use: { ...standard.use, trace: 'off' },
  timeout: 1_800_000,
  expect: { timeout: 1_700_000 },
});
