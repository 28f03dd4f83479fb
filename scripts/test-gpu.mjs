/** `npm run test:gpu`: kernels and the whole set of reference outputs on a graphics card, in Node (Dawn) and Chromium.
 *  `npm run test:gpu -- dawn` (or gpu) runs one of the two. GPU_F16=1 asks for shader-f16, which Dawn hides on NVIDIA cards
 *  under Vulkan. Fails where no graphics card answers, or one without what is asked for. */
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
