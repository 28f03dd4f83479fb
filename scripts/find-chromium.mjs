/** Finds a Chrome or Chromium, or installs Chromium by the system's package manager where that is possible. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

const names = ['chromium', 'google-chrome-stable', 'google-chrome', 'chromium-browser', 'chrome'];

/** Absolute path of a Chrome or Chromium that starts, or undefined. CHROMIUM_PATH replaces the search. */
export function findChromium() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = [
    ...names.flatMap((name) => folders.map((folder) => join(folder, name))),
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
  ];
  const candidates = process.env.CHROMIUM_PATH ? [process.env.CHROMIUM_PATH] : found;
  return candidates.find((path) => isExecutable(path) && starts(path));
}

/** Finds one or installs it; exits with instructions where neither works. */
export function requireChromium() {
  const found = findChromium();
  if (found) return found;
  if (process.env.CHROMIUM_PATH) {
    console.error(`CHROMIUM_PATH is ${process.env.CHROMIUM_PATH}, which is no browser that starts.`);
    process.exit(1);
  }
  const isRoot = process.getuid?.() === 0;
  if (process.platform === 'linux' && isRoot && isOnPath('apt-get')) {
    console.log('No Chrome or Chromium found: installing Chromium with apt-get.');
    if (installChromium()) {
      const installed = findChromium();
      if (installed) return installed;
    }
  }
  console.error(
    'The tests need Chrome or Chromium, and none was found on PATH that starts.\n' +
      'Install one, for instance:  sudo apt-get install chromium   (Debian)\n' +
      'or set CHROMIUM_PATH to the executable; then run the same command again.',
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

/** Whether both steps of apt-get worked. */
function installChromium() {
  const options = { stdio: 'inherit', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  const packages = ['chromium', 'fonts-dejavu-core'];
  return [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
  ].every((args) => spawnSync('apt-get', args, options).status === 0);
}

/** Some distributions put a script there that only says how to install the browser. */
function starts(path) {
  return spawnSync(path, ['--version'], { stdio: 'ignore', timeout: 20_000 }).status === 0;
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
