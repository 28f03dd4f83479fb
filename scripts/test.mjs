/** `npm test`: every check that runs without a graphics card, in one command, with one closing count.
 *
 *  types, style, unit tests in Node, kernels and reference outputs in Chromium on SwiftShader, then the built page
 *  end to end. `npm test -- node` (or check, gpu, e2e) runs one part. */
import { requireChromium, softwareVulkan } from './find-chromium.mjs';
import { chooseParts, TestRun } from './test-run.mjs';

const parts = {
  check: async (part) => {
    await part.command('types', 'npx', ['tsc', '-b']);
    await part.command('style', 'npx', ['biome', 'ci', '.']);
  },
  node: (part) => part.vitest('node'),
  gpu: async (part) => {
    await part.vitest('gpu');
    // what needs Node itself runs there on the browser's SwiftShader
    await part.vitest('dawn', { args: ['.dawn.test.ts'], env: softwareVulkan(browser.CHROMIUM_PATH) });
  },
  e2e: async (part) => {
    if (await part.command('build', 'npx', ['vite', 'build', '--logLevel', 'warn'])) {
      await part.playwright('playwright.config.ts');
    }
  },
};

const chosen = chooseParts('npm test', Object.keys(parts), process.argv.slice(2));
const needsBrowser = chosen.includes('gpu') || chosen.includes('e2e');
const browser = needsBrowser ? { CHROMIUM_PATH: requireChromium() } : {};
const run = new TestRun(browser);
await run.run(Object.fromEntries(chosen.map((name) => [name, parts[name]])));
run.finish();
