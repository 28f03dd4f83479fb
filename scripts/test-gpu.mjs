/** `npm run test:gpu`: everything there is to run on a graphics card, in one command, with one closing count.
 *
 *  dawn: kernels and the whole set of reference outputs in Node; gpu: the same in Chromium; e2e: the built page end to end, and
 *  the memory that a checkpoint of 3 GB takes while it loads. `npm run test:gpu -- dawn gpu` runs those two; `--together` runs
 *  parts beside each other, on a machine of many cores. Fails where no graphics card answers. */
import { requireChromium } from './find-chromium.mjs';
import { chooseParts, TestRun } from './test-run.mjs';

/** Files at once: a card is slow to switch between processes, and the calls of all pages go through one of the browser's. */
const [processes, pages] = [12, 8];

const parts = {
  dawn: (part) => part.vitest('dawn', { args: [`--maxWorkers=${processes}`] }),
  gpu: (part) => part.vitest('gpu', { args: [`--maxWorkers=${pages}`] }),
  e2e: async (part) => {
    if (await part.command('build', 'npx', ['vite', 'build', '--logLevel', 'warn'])) {
      await part.playwright('playwright.config.ts');
      await part.playwright('heap.config.ts');
    }
  },
};

const options = process.argv.slice(2);
const named = options.filter((option) => option !== '--together');
const chosen = chooseParts('npm run test:gpu', Object.keys(parts), named);
const needsBrowser = chosen.includes('gpu') || chosen.includes('e2e');
const run = new TestRun({
  ...(needsBrowser ? { CHROMIUM_PATH: requireChromium() } : {}),
  TEST_GPU: 'hardware',
});
await run.run(Object.fromEntries(chosen.map((name) => [name, parts[name]])), {
  together: options.includes('--together'),
});
run.finish();
