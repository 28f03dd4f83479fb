/** `npm run train-signatures -- --model DIR|repo --text FILE … --out FILE`: learns signatures for a model in Node on
 *  Dawn. `npm run train-signatures -- --help` lists all options; docs/training.md explains them. */
import { spawnSync } from 'node:child_process';
import { build } from 'vite';
import { findChromium, softwareVulkan } from './find-chromium.mjs';

await build({
  configFile: false,
  logLevel: 'warn',
  publicDir: false,
  build: { ssr: 'scripts/train-signatures/main.ts', outDir: '.bench/train', target: 'node20' },
  ssr: { noExternal: true, external: ['webgpu'] },
});
const chromium = findChromium();
const isSoftware = process.env.TRAIN_SOFTWARE === '1';
const env = { ...process.env, ...(isSoftware && chromium ? softwareVulkan(chromium) : {}) };
const { status } = spawnSync('node', ['.bench/train/main.js', ...process.argv.slice(2)], {
  env,
  stdio: 'inherit',
});
process.exit(status ?? 1);
