/** `npm run test:gpu`: kernels and the whole set of reference outputs on a graphics card, in Node (Dawn) and Chromium.
 *  `npm run test:gpu -- dawn` (or gpu) runs one of the two. Fails where no graphics card answers. */
import { spawnSync } from 'node:child_process';
import { requireChromium } from './find-chromium.mjs';

const projects = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ['dawn', 'gpu'];
let isFine = true;
for (const project of projects) {
  const env = { ...process.env, TEST_GPU: 'hardware' };
  if (project === 'gpu') env.CHROMIUM_PATH = requireChromium();
  const { status } = spawnSync('npx', ['vitest', 'run', '--project', project], { stdio: 'inherit', env });
  isFine &&= status === 0;
}
process.exit(isFine ? 0 : 1);
