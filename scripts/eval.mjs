/** `npm run eval`: what attention policies cost in quality, in Node on Dawn; `npm run eval -- --help` lists the options.
 *  EVAL_SOFTWARE=1 runs on SwiftShader, which takes hours. */
import { spawnSync } from 'node:child_process';
import { build } from 'vite';
import { findChromium, softwareVulkan } from './find-chromium.mjs';

await build({
  configFile: false,
  logLevel: 'warn',
  publicDir: false,
  build: { ssr: 'eval/node.ts', outDir: '.bench/eval', target: 'node20' },
  ssr: { noExternal: true, external: ['webgpu'] },
});
const chromium = findChromium();
const isSoftware = process.env.EVAL_SOFTWARE === '1' && chromium;
const env = { ...process.env, ...(isSoftware ? softwareVulkan(chromium) : {}) };
const { status } = spawnSync('node', ['.bench/eval/node.js', ...process.argv.slice(2)], {
  env,
  stdio: 'inherit',
});
process.exit(status ?? 1);
