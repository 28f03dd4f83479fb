/** Finds a Chrome or Chromium, or installs Chromium by the system's package manager where that is possible. */
import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

const names = ['chromium', 'google-chrome-stable', 'google-chrome', 'chromium-browser', 'chrome'];

/** Absolute path of a Chrome or Chromium, or undefined. CHROMIUM_PATH overrides the search. */
export function findChromium() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = [
    process.env.CHROMIUM_PATH,
    ...names.flatMap((name) => folders.map((folder) => join(folder, name))),
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ];
  return candidates.find((path) => path !== undefined && isExecutable(path));
}

/** Finds one or installs it; exits with instructions where neither works. */
export function requireChromium() {
  const found = findChromium();
  if (found) return found;
  if (process.platform === 'linux' && process.getuid?.() === 0 && isOnPath('apt-get')) {
    console.log('No Chrome or Chromium found: installing Chromium with apt-get.');
    run('apt-get', ['update', '-qq']);
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-dejavu-core']);
    const installed = findChromium();
    if (installed) return installed;
  }
  console.error(
    'The tests need Chrome or Chromium and found none on PATH.\n' +
      'Install one, for instance:  sudo apt-get install chromium   (Debian)\n' +
      'or set CHROMIUM_PATH to the executable, then run the same command again.',
  );
  process.exit(1);
}

/** Environment in which Dawn in Node runs on the SwiftShader that comes with the browser. */
export function softwareVulkan(chromium) {
  const folders = ['/usr/lib/chromium', '/opt/google/chrome', dirname(realpathSync(chromium))];
  const folder = folders.find((path) => isReadable(join(path, 'vk_swiftshader_icd.json')));
  if (!folder) return {};
  const icd = join(folder, 'vk_swiftshader_icd.json');
  return { VK_ICD_FILENAMES: icd, VK_DRIVER_FILES: icd, LD_LIBRARY_PATH: folder };
}

function run(command, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync(command, args, { stdio: 'inherit', env });
}

function isOnPath(name) {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

function isExecutable(path) {
  return isAccessible(path, constants.X_OK);
}

function isReadable(path) {
  return isAccessible(path, constants.R_OK);
}

function isAccessible(path, mode) {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
