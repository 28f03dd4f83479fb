/** `npm test`: every check that runs without a graphics card, in one command, with one closing count.
 *
 *  types, style, unit tests in Node, kernels and reference outputs in Chromium on SwiftShader, then the built page
 *  end to end. `npm test -- node` (or check, gpu, e2e) runs one part. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireChromium, softwareVulkan } from './find-chromium.mjs';

const parts = {
  check: () => {
    command('types', 'npx', ['tsc', '-b']);
    command('style', 'npx', ['biome', 'ci', '.']);
  },
  node: () => vitest('node'),
  gpu: () => {
    vitest('gpu');
    // what needs Node itself runs there on the browser's SwiftShader
    vitest('dawn', ['.dawn.test.ts'], softwareVulkan(browser.CHROMIUM_PATH));
  },
  e2e: async () => {
    if (command('build', 'npx', ['vite', 'build', '--logLevel', 'warn'])) await playwright();
  },
};

const names = Object.keys(parts);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`npm test has the parts ${names.join(', ')}; it has no ${unknown.join(', ')}.`);
  process.exit(2);
}
const chosen = wanted.length > 0 ? wanted : names;
const needsBrowser = chosen.includes('gpu') || chosen.includes('e2e');
const browser = needsBrowser ? { CHROMIUM_PATH: requireChromium() } : {};
const reports = mkdtempSync(join(tmpdir(), 'test-reports-'));
const counts = { passed: 0, failed: 0 };

for (const name of chosen) {
  const started = Date.now();
  await parts[name]();
  console.log(`-- ${name}: ${Math.round((Date.now() - started) / 1000)} s`);
}
rmSync(reports, { recursive: true });
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);

function spawn(program, args, env = {}) {
  console.log(`\n$ ${program} ${args.join(' ')}`);
  const result = spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, ...browser, ...env } });
  if (result.signal === 'SIGINT') process.exit(130);
  return result.status === 0;
}

/** A step without counts of its own counts as one test. */
function command(what, program, args) {
  const isFine = spawn(program, args);
  counts[isFine ? 'passed' : 'failed']++;
  if (!isFine) console.error(`${what}: failed`);
  return isFine;
}

function vitest(project, filters = [], env = {}) {
  const file = join(reports, `${project}.json`);
  const args = ['vitest', 'run', '--project', project, ...filters, '--reporter=default', '--reporter=json'];
  const isFine = spawn('npx', [...args, `--outputFile.json=${file}`], env);
  const report = read(file);
  // a file that does not load, or a skipped test, is a failure too: nothing here may be skipped
  count(isFine, report?.numPassedTests ?? 0, report ? report.numTotalTests - report.numPassedTests : 0);
}

async function playwright() {
  const file = join(reports, 'e2e.json');
  const args = ['playwright', 'test', '--config', 'e2e/playwright.config.ts'];
  const env = { PLAYWRIGHT_JSON_OUTPUT_NAME: file, E2E_PORT: String(await freePort()) };
  const isFine = spawn('npx', args, env);
  const { expected = 0, unexpected = 0, flaky = 0, skipped = 0 } = read(file)?.stats ?? {};
  count(isFine, expected, unexpected + flaky + skipped);
}

function count(isFine, passed, failed) {
  counts.passed += passed;
  counts.failed += isFine ? failed : Math.max(1, failed);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, 'localhost', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
