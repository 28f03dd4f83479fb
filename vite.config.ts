import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { flagsAgainstHardware, hardwareGpuFlags, softwareGpuFlags } from './build/chromium-flags.ts';
import { compactShaders } from './build/compact-wgsl.ts';
import { injectPolicy, securityHeaders } from './build/csp.ts';
import { serveModels } from './build/serve-models.ts';
import { workerChunk } from './build/worker-chunks.ts';

/** GPU tests: every kernel, the engine's GPU parts and the golden comparisons. They run in Chromium and in Node. */
const gpuTests = ['src/kernels/**/*.test.ts', 'src/engine/**/*.gpu.test.ts', 'test/golden/**/*.test.ts'];

/** GPU tests that need Node itself. */
const dawnTests = ['src/**/*.dawn.test.ts'];

/** Those that only a graphics card can finish. */
const hardwareTests = ['test/golden/**/*.hardware.test.ts'];

/** Set by `npm test`; unset, Debian's Chromium. */
const chromiumPath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

/** `npm run test:gpu` runs the GPU tests on a graphics card, many files at once, and fails where there is none. */
const onHardware = process.env.TEST_GPU === 'hardware';
const tooLong = onHardware ? [] : hardwareTests;

export default defineConfig({
  base: './',
  plugins: [injectPolicy(), serveModels('public/models')],
  preview: { headers: { ...securityHeaders } },
  worker: {
    format: 'es',
    plugins: () => [compactShaders()],
    rolldownOptions: {
      output: {
        codeSplitting: { groups: [{ name: workerChunk, debugName: 'worker' }] },
        comments: { annotation: false }, // a bundler's notes to itself; licences stay
      },
    },
  },
  build: { target: 'es2023' },
  test: {
    // browsers see these alone of the environment
    env: { TEST_GPU: process.env.TEST_GPU ?? 'any', TEST_SEED: process.env.TEST_SEED ?? '' },
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'node',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...gpuTests, ...dawnTests],
        },
      },
      {
        extends: true,
        test: {
          name: 'dawn',
          include: [...gpuTests, ...dawnTests],
          exclude: tooLong,
          pool: 'forks',
          fileParallelism: onHardware,
        },
      },
      {
        extends: true,
        test: {
          name: 'gpu',
          include: gpuTests,
          exclude: tooLong,
          fileParallelism: onHardware,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            instances: [{ browser: 'chromium' }],
            provider: playwright({
              launchOptions: {
                executablePath: chromiumPath,
                args: onHardware ? hardwareGpuFlags : softwareGpuFlags,
                ...(onHardware ? { ignoreDefaultArgs: flagsAgainstHardware } : {}),
              },
            }),
          },
        },
      },
    ],
  },
});
