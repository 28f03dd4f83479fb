/** `npm run bench`: the whole bench in Node on Dawn and in Chromium, on whatever graphics device there is.
 *  `npm run bench -- node` (or chromium) runs one of the two; BENCH_PARTS=kernels,hash,decode8b,engine,decode4k
 *  chooses parts, BENCH_CASES=REGEXP cases within them, BENCH_SECONDS=N ends a part after N seconds; BENCH_SOFTWARE=1 runs on
 *  SwiftShader. The report is written to .bench/report-*.json, anew after every measurement. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { build, preview } from 'vite';
import { findChromium, requireChromium, softwareVulkan } from './find-chromium.mjs';

const wanted = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ['node', 'chromium'];
const isSoftware = process.env.BENCH_SOFTWARE === '1';
mkdirSync('.bench', { recursive: true });
const { BENCH_PARTS, BENCH_CASES, BENCH_SECONDS } = process.env;
const wishes = {
  ...(BENCH_PARTS ? { parts: BENCH_PARTS.split(',') } : {}),
  ...(BENCH_CASES ? { cases: BENCH_CASES } : {}),
  ...(BENCH_SECONDS ? { partSeconds: Number(BENCH_SECONDS) } : {}),
};
const shared = { configFile: false, logLevel: 'warn', publicDir: false };

if (wanted.includes('node')) {
  await build({
    ...shared,
    build: { ssr: 'bench/node.ts', outDir: '.bench/node', target: 'node20' },
    ssr: { noExternal: true, external: ['webgpu'] },
  });
  const chromium = findChromium();
  const env = {
    ...process.env,
    ...(isSoftware && chromium ? softwareVulkan(chromium) : {}),
    BENCH_REPORT: '.bench/report-node.json',
    BENCH_WISHES: JSON.stringify(wishes),
  };
  console.log('Node, Dawn');
  const { status } = spawnSync('node', ['.bench/node/node.js'], { env, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

if (wanted.includes('chromium')) {
  await build({
    ...shared,
    root: 'bench',
    base: './',
    build: { outDir: '../.bench/page', emptyOutDir: true, target: 'es2023' },
  });
  const { chromium } = await import('playwright');
  const { runnerImport } = await import('vite');
  const { module: flags } = await runnerImport('./build/chromium-flags.ts');
  const server = await preview({
    ...shared,
    root: '.',
    publicDir: false,
    build: { outDir: '.bench/page' },
    plugins: [(await runnerImport('./build/serve-models.ts')).module.serveModels('public/models')],
    preview: { port: 4190 },
  });
  const browser = await chromium.launch({
    executablePath: requireChromium(),
    args: isSoftware ? flags.softwareGpuFlags : flags.hardwareGpuFlags,
    ...(isSoftware ? {} : { ignoreDefaultArgs: flags.flagsAgainstHardware }),
  });
  const page = await browser.newPage();
  console.log('Chromium', browser.version());
  page.on('console', (message) => console.log(message.text()));
  await page.exposeFunction('keepBenchReport', (report) =>
    writeFileSync('.bench/report-chromium.json', JSON.stringify(report)),
  );
  await page.goto(server.resolvedUrls.local[0]);
  const report = await page.evaluate(
    ([url, wanted]) => window.runBenchInPage(url, wanted),
    ['/models/SmolLM2-135M-Instruct-4bit/', wishes],
  );
  console.log(JSON.stringify(report));
  await browser.close();
  await server.close();
}
