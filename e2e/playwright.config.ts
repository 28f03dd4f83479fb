import { fileURLToPath } from 'node:url';
import { defineConfig, type ReporterDescription } from 'playwright/test';
import { flagsAgainstHardware, hardwareGpuFlags, softwareGpuFlags } from '../build/chromium-flags.ts';

/** `npm test` finds a free one. */
const port = Number(process.env.E2E_PORT ?? 4174);
const reporters: ReporterDescription[] = [['list']];
// Without a file name it would go to the terminal.
if (process.env.PLAYWRIGHT_JSON_OUTPUT_NAME) reporters.push(['json']);

/** As for `npm run test:gpu`. */
const onHardware = process.env.TEST_GPU === 'hardware';

/** The built page as `vite preview` serves it, in Chromium with WebGPU on the CPU; on a graphics card with
 *  TEST_GPU=hardware. */
export default defineConfig({
  testDir: '.',
  outputDir: '../test-results',
  timeout: 300_000,
  expect: { timeout: 120_000 },
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: reporters,
  use: {
    baseURL: `http://localhost:${port}/`,
    viewport: { width: 1280, height: 800 },
    // Screenshots in traces would compete with the model for the CPU.
    trace: { mode: 'retain-on-failure', screenshots: false },
    launchOptions: {
      executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
      args: onHardware ? hardwareGpuFlags : softwareGpuFlags,
      ...(onHardware ? { ignoreDefaultArgs: flagsAgainstHardware } : {}),
    },
  },
  webServer: {
    command: `npx vite preview --port ${port} --strictPort --host localhost`,
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    url: `http://localhost:${port}/`,
    reuseExistingServer: false,
  },
});
