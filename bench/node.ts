/** The bench in Node on Dawn. Reads the default model from the folder in BENCH_MODEL; prints a line per result and the
 *  report as one JSON line last; BENCH_REPORT: a file that has the report so far at any time; BENCH_WISHES: JSON of what
 *  to run. BENCH_WEBGPU: path of the npm package `webgpu` where it is not in node_modules. */
import { openAsBlob, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { filesSource } from '../src/engine/source/files.ts';
import { openGpu } from '../src/kernels/runtime/gpu.ts';
import { runBench } from './main.ts';
import type { BenchWishes } from './run.ts';

const folder = process.env.BENCH_MODEL ?? 'public/models/SmolLM2-135M-Instruct-4bit';
const webgpu = process.env.BENCH_WEBGPU ? pathToFileURL(process.env.BENCH_WEBGPU).href : 'webgpu';
const { create } = (await import(/* @vite-ignore */ webgpu)) as typeof import('webgpu');
const dawn = create(['backend=vulkan']);
// Dawn's objects do not keep the instance alive: once it is collected, the process crashes
Object.assign(globalThis, { dawnKeptAlive: dawn });

const report = await runBench({
  gpu: await openGpu({ gpu: dawn }),
  openDefaultModel: async () => {
    const names = (await readdir(folder)).filter((name) => /\.(json|safetensors|md)$/.test(name));
    const files = names.map(async (name) => new File([await openAsBlob(join(folder, name))], name));
    return filesSource(await Promise.all(files));
  },
  log: console.log,
  keep: (soFar) => {
    if (process.env.BENCH_REPORT) writeFileSync(process.env.BENCH_REPORT, JSON.stringify(soFar));
  },
  ...(JSON.parse(process.env.BENCH_WISHES ?? '{}') as BenchWishes),
});
console.log(JSON.stringify(report));
process.exit(0);
