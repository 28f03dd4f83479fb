import { existsSync } from 'node:fs';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';

/** GPU tests: every kernel, the engine's GPU parts and the golden comparisons. They run in Chromium and in Node. */
const gpuTests = ['src/kernels/**/*.test.ts', 'src/engine/**/*.gpu.test.ts', 'test/golden/**/*.test.ts'];

const chromiumPaths = [
  process.env.CHROMIUM_PATH,
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/chromium-browser',
];
const chromiumPath = chromiumPaths.find((path) => path !== undefined && existsSync(path));

export const softwareGpuFlags = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export default defineConfig({
  worker: { format: 'es' },
  build: { target: 'es2023' },
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: gpuTests,
        },
      },
      {
        extends: true,
        test: { name: 'dawn', include: gpuTests, pool: 'forks', fileParallelism: false },
      },
      {
        extends: true,
        test: {
          name: 'gpu',
          include: gpuTests,
          fileParallelism: false,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            instances: [{ browser: 'chromium' }],
            provider: playwright({
              launchOptions: {
                ...(chromiumPath ? { executablePath: chromiumPath } : {}),
                args: softwareGpuFlags,
              },
            }),
          },
        },
      },
    ],
  },
});
