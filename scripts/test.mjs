/** `npm test`: every check that runs without a graphics card, in one command, with one closing count.
 *
 *  types, style, unit tests in Node, kernels and reference outputs in Chromium on SwiftShader, then the built page
 *  end to end. `npm test -- node` (or gpu, e2e, check) runs one part. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireChromium } from './find-chromium.mjs';

const chromium = requireChromium();
const reports = mkdtempSync(join(tmpdir(), 'test-reports-'));
const wanted = process.argv.slice(2);
const counts = { passed: 0, failed: 0 };

const parts = {
  check: () => command('types', 'npx', ['tsc', '-b']) && command('style', 'npx', ['biome', 'ci', '.']),
  node: () => vitest('node'),
  gpu: () => vitest('gpu'),
  e2e: () => command('build', 'npx', ['vite', 'build', '--logLevel', 'warn']) && playwright(),
};

for (const [name, run] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const started = Date.now();
  run();
  console.log(`-- ${name}: ${Math.round((Date.now() - started) / 1000)} s`);
}
rmSync(reports, { recursive: true });
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);

function spawn(program, args, env = {}) {
  console.log(`\n$ ${program} ${args.join(' ')}`);
  const result = spawnSync(program, args, {
    stdio: 'inherit',
    env: { ...process.env, CHROMIUM_PATH: chromium, ...env },
  });
  return result.status === 0;
}

/** A step without counts of its own counts as one test. */
function command(what, program, args) {
  const isFine = spawn(program, args);
  counts[isFine ? 'passed' : 'failed']++;
  if (!isFine) console.error(`${what}: failed`);
  return isFine;
}

function vitest(project) {
  const file = join(reports, `${project}.json`);
  const args = ['vitest', 'run', '--project', project, '--reporter=default', '--reporter=json'];
  const isFine = spawn('npx', [...args, `--outputFile.json=${file}`]);
  const report = read(file);
  counts.passed += report?.numPassedTests ?? 0;
  // a file that does not load, or a skipped test, is a failure too: nothing here may be skipped
  const failed = report ? report.numTotalTests - report.numPassedTests : 0;
  counts.failed += isFine ? failed : Math.max(1, failed);
}

function playwright() {
  const file = join(reports, 'e2e.json');
  const args = ['playwright', 'test', '--config', 'e2e/playwright.config.ts'];
  const isFine = spawn('npx', args, { PLAYWRIGHT_JSON_OUTPUT_NAME: file });
  const stats = read(file)?.stats;
  counts.passed += stats?.expected ?? 0;
  const failed = (stats?.unexpected ?? 0) + (stats?.flaky ?? 0) + (stats?.skipped ?? 0);
  counts.failed += isFine ? failed : Math.max(1, failed);
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
