import { defineConfig } from 'playwright/test';
import { softwareGpuFlags } from '../build/chromium-flags.ts';

const port = 4174;

export default defineConfig({
  testDir: '.',
  outputDir: '../test-results',
  timeout: 180_000,
  expect: { timeout: 60_000 },
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: [['list'], ['json']],
  use: {
    baseURL: `http://localhost:${port}`,
    trace: 'retain-on-failure',
    launchOptions: {
      executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
      args: softwareGpuFlags,
    },
  },
  webServer: {
    command: `npx vite preview --port ${port} --strictPort --host localhost`,
    cwd: new URL('..', import.meta.url).pathname,
    url: `http://localhost:${port}/`,
    reuseExistingServer: false,
  },
});
