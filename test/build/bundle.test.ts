/** What the built worker weighs, and the shaders in it. */
import { gzipSync } from 'node:zlib';
import { build, type Rolldown } from 'vite';
import { beforeAll, describe, expect, test } from 'vitest';
import { compactWgsl } from '../../build/compact-wgsl.ts';

/** Splits the worker by who wrote what, only to weigh it. */
const groups = [
  { name: 'libraries', test: /node_modules/, priority: 2 },
  { name: 'model', test: /\/src\/model\//, priority: 1 },
];

/** Loaded when sparse attention is first wanted; where it begins by itself, to find out from when; for a look into a
 *  step; for a question behind a long context; with a model that is not quantised, one from the user's disk, or one from a
 *  hub; to learn signatures; with 4-bit rows of 2048 columns and more on a graphics card; for weights kept as floats; for
 *  scales other than pairs of halves, and heads that are normed; on devices without subgroups, and on those without a graphics
 *  card. All other chunks, whatever they are called, come with the page's first model. */
const onDemand = ['on-demand'];
const toMeasure = ['crossover'];
const toLook = ['look-into-step'];
const toAskOn = ['few-rows'];
const toConvert = ['convert-kernels'];
const ofDisk = ['local-files'];
const ofHub = ['hub'];
const toLearn = ['learn-signatures'];
const ofLongRows = [
  ...['integer-product', 'packed-octet', 'leave-packed'],
  ...['merge-packed', 'merge-tail-packed'],
];
const ofFloats = ['f16', 'bf16', 'f32'].flatMap((kind) => [
  `weights-${kind}`,
  `weight-at-${kind}`,
  `decode-${kind}`,
]);
const withNormedHeads = ['head-normed'];
const ofWideScales = ['place-scales-f32', 'source-f16', 'source-bf16', 'source-f32'];
const withoutSubgroups = ['mat-vec-workgroup', 'weigh-workgroup'];
const onCpu = [
  'dots-four',
  'rms-norm-serial',
  'mat-mul-serial',
  'mat-vec-serial',
  'attend-prefill-serial',
  'attend-split-serial',
  'attend-merge-serial',
  'attend-blocks-serial',
  ...['rows-summed-serial', 'merge-tail-serial', 'token-selection-serial'],
];
const later = [
  ...onDemand,
  ...toMeasure,
  ...toLook,
  ...toAskOn,
  ...toConvert,
  ...ofDisk,
  ...ofHub,
  ...toLearn,
  ...ofLongRows,
  ...ofFloats,
  ...withNormedHeads,
  ...ofWideScales,
  ...withoutSubgroups,
  ...onCpu,
];
const notOurs = ['libraries', 'model'];

describe('the built worker', () => {
  const chunks = new Map<string, string>();

  beforeAll(async () => {
    const result = await build({
      logLevel: 'silent',
      publicDir: false,
      build: { write: false },
      worker: { rolldownOptions: { output: { codeSplitting: { groups } } } },
    });
    const { output } = result as Rolldown.RolldownOutput;
    for (const file of output) {
      const name = /([\w-]+?)-[\w-]{8}\.js$/.exec(file.fileName)?.[1];
      if (name && file.type === 'asset') chunks.set(name, String(file.source));
    }
  });

  const gzipped = (...names: string[]): number =>
    names.reduce((sum, name) => sum + gzipSync(chunks.get(name) ?? '', { level: 9 }).length, 0);

  test('is made of the parts that are weighed', () => {
    const names = ['worker', 'local-engine', ...later, ...notOurs];
    expect([...chunks.keys()]).toEqual(expect.arrayContaining(names));
    expect(chunks.get('local-engine')).toContain('@compute');
    expect(chunks.get('local-engine')).not.toContain('Jinja');
  });

  test('engine and kernels stay within 60 kB, with the model layer within 72 kB, sparse attention within 30.5 kB more, where it begins within 3 kB, a look into a step within 3 kB, conversion of weights within 2 kB, learning of signatures within 18.5 kB (gzip)', () => {
    const others = new Set([...later, ...notOurs]);
    const engine = gzipped(...[...chunks.keys()].filter((name) => !others.has(name)));
    console.log(
      `gzipped: engine and kernels ${engine} B, model ${gzipped('model')} B, libraries ${gzipped('libraries')} B, ` +
        `sparse attention when first wanted ${gzipped(...onDemand)} B, ` +
        `where it begins ${gzipped(...toMeasure)} B, ` +
        `a look into a step ${gzipped(...toLook)} B, ` +
        `conversion of weights ${gzipped(...toConvert)} B, learning of signatures ${gzipped(...toLearn)} B`,
    );
    expect(engine).toBeLessThan(60_000);
    expect(engine + gzipped('model')).toBeLessThan(72_000);
    expect(gzipped(...onDemand)).toBeLessThan(30_500);
    expect(gzipped(...toMeasure)).toBeLessThan(3_000);
    expect(gzipped(...toLook)).toBeLessThan(3_000);
    expect(gzipped(...toConvert)).toBeLessThan(2_000);
    expect(gzipped(...toLearn)).toBeLessThan(18_500);
  });
});

test('a compact shader has no comments, spaces and line ends without meaning, and all code', () => {
  const text =
    '// what it does\nfn main() { // entry\n\n  let x: f32 = - -1.0 * f(2.05,\n    3 - 1,\n    0.5 - 10.5,\n  ); // one\n}\n';
  expect(compactWgsl(text)).toBe('fn main(){let x:f32=- -1.*f(2.05,3-1,.5-10.5);}');
});
