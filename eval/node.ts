/** `npm run eval` in Node on Dawn. Every record is appended to records.jsonl as it is found; at the end, or when time is
 *  up, report.md, report.json and the plots are written beside it. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ModelHashMaps } from '../src/engine/attention/model-hash-maps.ts';
import { RowEvaluator } from '../src/engine/evaluate/row-evaluator.ts';
import { openGpu } from '../src/kernels/runtime/gpu.ts';
import type { Tokenizer } from '../src/model/tokenizer.ts';
import { runStages, type TextWindow } from './evaluate.ts';
import { fillPage } from './fill-page.ts';
import { fingerprint } from './fingerprint.ts';
import { type NeedlePrompt, needlePrompts } from './needles.ts';
import { openEvaluatedModel } from './open-model.ts';
import { type EvalOptions, parseEvalOptions } from './options.ts';
import { needlePlot } from './plot-needles.ts';
import { qualityPlot } from './plot-quality.ts';
import { policyLabel } from './policies.ts';
import { type EvalRecord, perplexities, recordKey, retrievals } from './records.ts';
import { type EvalFacts, markdownReport } from './report.ts';
import { planStages } from './stages.ts';

const options = parseEvalOptions(process.argv.slice(2));
const recordFile = join(options.out, 'records.jsonl');
const records = existsSync(recordFile) ? readRecords(recordFile) : [];
if (options.page) {
  writeFileSync(options.page, fillPage(readFileSync(options.page, 'utf8'), readRecordFiles(options.out)));
  writePlots();
  process.exit(0);
}
const started = performance.now();
const module = options.webgpu.startsWith('/') ? pathToFileURL(options.webgpu).href : options.webgpu;
const { create } = (await import(/* @vite-ignore */ module)) as typeof import('webgpu');
const dawn = create(['backend=vulkan']);
// Dawn's objects do not keep the instance alive: once it is collected, the process crashes
Object.assign(globalThis, { dawnKeptAlive: dawn });
const gpu = await openGpu({ gpu: dawn });
gpu.device.addEventListener('uncapturederror', ({ error }) => {
  console.error(error.message);
  process.exit(1);
});

const context = Math.max(...options.contexts);
const model = await openEvaluatedModel(gpu, options.model, context);
const texts = readTexts(options, model.tokenizer);
const maps = new Map<string, ModelHashMaps>();
for (const { name, file } of options.maps.length > 0 ? options.maps : [{ name: 'own', file: null }]) {
  maps.set(name, await model.openMaps(file));
}
const evaluator = await RowEvaluator.create(gpu, model.network);
const stages = planStages({
  ...{ options, maps, windows: windowsOf(options, texts, context) },
  prompts: [
    ...(options.prompts ? (JSON.parse(readFileSync(options.prompts, 'utf8')) as NeedlePrompt[]) : []),
    ...needlePrompts(model.tokenizer, texts, {
      ...{ count: options.needles, seed: options.seed },
      lengths: [0.25, 0.5, 0.72, 0.94].map((share) => Math.round(share * context)),
    }),
  ],
});

mkdirSync(options.out, { recursive: true });
const known = new Set(records.map(recordKey));
const seconds = (): number => (performance.now() - started) / 1000;
const isOver = (): boolean => seconds() > options.seconds;
console.log(`${model.name} on ${gpu.traits.description}: ready after ${Math.round(seconds())} s`);
for await (const record of runStages({ evaluator, config: model.network.config, known, isOver }, stages)) {
  records.push(record);
  appendFileSync(recordFile, `${JSON.stringify(record)}\n`);
}

const facts: EvalFacts = {
  ...{ model: model.name, device: gpu.traits.description, seconds: seconds(), isComplete: !isOver() },
  date: new Date().toISOString().slice(0, 10),
  command: `npm run eval -- ${process.argv
    .slice(2)
    .map((arg) => basename(arg))
    .join(' ')}`,
};
const rows = perplexities(records);
write(
  'report.json',
  JSON.stringify({ ...facts, perplexities: rows, retrievals: retrievals(records), records }),
);
write('report.md', markdownReport(facts, records));
writePlots();
for (const { policy, context: length, perplexity, excess, share, windows } of rows) {
  const against = `${(100 * excess).toFixed(3)} % at ${(100 * share).toFixed(1)} % of the bytes`;
  console.log(`${length} ${policyLabel(policy)}: ${perplexity.toFixed(4)}, ${against}, ${windows} windows`);
}
for (const { policy, set, right, prompts } of retrievals(records)) {
  if (set === 'all') console.log(`needles ${policyLabel(policy)}: ${right}/${prompts}`);
}
console.log(`${Math.round(seconds())} s${isOver() ? ', time was up' : ''}`);
process.exit(0);

function write(name: string, content: string): void {
  writeFileSync(join(options.out, name), content);
}

function writePlots(): void {
  const points = perplexities(records);
  for (const length of new Set(points.map((point) => point.context))) {
    write(`quality-${length}.svg`, qualityPlot(points, length));
  }
  if (records.some(({ kind }) => kind === 'needle')) write('needles.svg', needlePlot(records));
}

/** Of every such file in a folder, by name. */
function readRecordFiles(folder: string): Map<string, EvalRecord[]> {
  const names = readdirSync(folder).filter((name) => name.endsWith('.jsonl'));
  return new Map(names.map((name) => [basename(name, '.jsonl'), readRecords(join(folder, name))]));
}

/** Of an evaluation that was interrupted; a line cut short is left out. */
function readRecords(file: string): EvalRecord[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line.endsWith('}')).map((line) => JSON.parse(line) as EvalRecord);
}

function readTexts({ texts }: EvalOptions, tokenizer: Tokenizer): number[][] {
  return texts.map(({ file }) => tokenizer.encode(readFileSync(file, 'utf8'), { addSpecialTokens: false }));
}

function windowsOf(
  { texts }: EvalOptions,
  ids: readonly (readonly number[])[],
  length: number,
): TextWindow[] {
  return texts.flatMap(({ file, start, windows }, text) =>
    Array.from({ length: windows }, (_, i) => {
      const begin = start + i * length;
      const own = ids[text]!.slice(begin, begin + length);
      if (own.length < length)
        throw new Error(`${file} has ${ids[text]!.length} tokens; window ${i} needs more.`);
      return { name: `${basename(file)} ${begin} ${fingerprint(own)}`, ids: own };
    }),
  );
}
