/** The command line of `npm run eval`. */

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import type { TailProxy } from '../src/kernels/attend-rows/attend-proxies.ts';
import type { TailKind } from '../src/kernels/shared/token-blocks.ts';
import { type LayerBudgets, proxyOf, type Selector, selectors, tails } from './policies.ts';

export const usage = `npm run eval -- [options]
  --model FOLDER        model to evaluate; the default model unless told
  --maps NAME=FILE      signature maps, once or more, those that matter first; "untrained" as FILE: random projections; the model's own unless told
  --policies LIST       of ${selectors.join(',')}; all unless told
  --needle-policies LIST  those tried on needles; hash,oracle,streaming unless told
  --fractions LIST      e.g. 1/16,1/32; 1/4 to 1/64 unless told
  --tails LIST          of ${tails.join(',')}, what matters first; all unless told. Needles are tried with all but none
  --proxies LIST        other accounts of the tokens left out, tried with hash and oracle at all fractions: mean-64, mass-all, mean-256-block …
  --layer-budgets FILE  other budgets by layer, of the same mean, once or more, tried like proxies and on needles: JSON [weight of layer 0, …], or "uniform" in place of a file
  --other-layer-0       also hash and oracle at 1/16 and 1/32 with layer 0 sparse where a tail has it dense, and dense where none has it sparse
  --contexts LIST       e.g. 8192; 8192,4096,2048 unless told
  --text FILE,START,N   N windows of the largest context from token START on, once or more
  --prompts FILE        needle prompts: JSON [{ set, prompt_ids, answer_ids }]
  --needles N           so many generated needle prompts, hidden in the texts; 96 unless told
  --seed N              of the generated prompts; 1 unless told
  --out FOLDER          where the report goes; .eval unless told. What it holds already is not run again
  --page FILE           runs nothing: makes the tables of this page, and the plots beside the records of --out, anew
  --seconds N           begins nothing new after so many seconds
  --webgpu FILE         where the npm package webgpu is, if not in node_modules`;

export interface TextChoice {
  readonly file: string;
  readonly start: number;
  readonly windows: number;
}

export interface EvalOptions {
  readonly model: string;
  readonly maps: readonly { readonly name: string; readonly file: string | null }[];
  readonly policies: readonly Selector[];
  readonly needlePolicies: readonly Selector[];
  readonly fractions: readonly number[];
  readonly tails: readonly TailKind[];
  readonly proxies: readonly TailProxy[];
  readonly layerBudgets: readonly LayerBudgets[];
  readonly otherLayer0: boolean;
  readonly contexts: readonly number[];
  readonly texts: readonly TextChoice[];
  readonly prompts: string | null;
  readonly needles: number;
  readonly seed: number;
  readonly out: string;
  readonly page: string | null;
  readonly seconds: number;
  readonly webgpu: string;
}

/** @throws Error that says which option is wrong, and what it should be; for --help, one that says them all. */
export function parseEvalOptions(args: readonly string[]): EvalOptions {
  const string = { type: 'string' } as const;
  const several = { type: 'string', multiple: true } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...{ model: string, policies: string, fractions: string, contexts: string, prompts: string },
      ...{ needles: string, seed: string, out: string, seconds: string, webgpu: string },
      ...{ help: { type: 'boolean' }, 'other-layer-0': { type: 'boolean' } },
      ...{ maps: several, text: several, 'needle-policies': string },
      ...{ tails: string, proxies: string, 'layer-budgets': several, page: string },
    },
  });
  if (values.help) throw new Error(usage);
  const contexts = list(values.contexts ?? '8192,4096,2048').map((item) => integer('contexts', item, 2));
  return {
    model: values.model ?? 'public/models/SmolLM2-135M-Instruct-4bit',
    maps: (values.maps ?? []).map(mapsOf),
    policies: list(values.policies ?? selectors.join(',')).map(selectorOf),
    needlePolicies: list(values['needle-policies'] ?? 'hash,oracle,streaming').map(selectorOf),
    fractions: list(values.fractions ?? '1/16,1/32,1/64,1/8,1/4').map(fractionOf),
    tails: list(values.tails ?? tails.join(',')).map(tailOf),
    proxies: list(values.proxies ?? '').map(proxyFrom),
    layerBudgets: (values['layer-budgets'] ?? []).map(budgetsFrom),
    otherLayer0: values['other-layer-0'] ?? false,
    contexts: contexts.sort((a, b) => b - a),
    texts: (values.text ?? ['test/data/wikitext-2-valid.txt,0,4']).map(textOf),
    prompts: values.prompts ?? null,
    needles: integer('needles', values.needles ?? '96', 0),
    seed: integer('seed', values.seed ?? '1', 0),
    out: values.out ?? '.eval',
    page: values.page ?? null,
    seconds: integer('seconds', values.seconds ?? '86400', 1),
    webgpu: values.webgpu ?? 'webgpu',
  };
}

function list(value: string): string[] {
  return value.split(',').filter((item) => item !== '');
}

function integer(option: string, value: string, least: number): number {
  const number = Number(value);
  if (Number.isInteger(number) && number >= least) return number;
  throw new Error(`--${option}: expected an integer of at least ${least}, got "${value}".\n${usage}`);
}

function fractionOf(value: string): number {
  const [top, bottom = '1'] = value.split('/');
  const fraction = Number(top) / Number(bottom);
  if (fraction > 0 && fraction <= 1) return fraction;
  throw new Error(`--fractions: expected fractions of the context as 1/16, got "${value}".\n${usage}`);
}

function selectorOf(value: string): Selector {
  const found = selectors.find((selector) => selector === value);
  if (found) return found;
  throw new Error(`--policies: expected some of ${selectors.join(', ')}, got "${value}".\n${usage}`);
}

function tailOf(value: string): TailKind {
  const found = tails.find((tail) => tail === value);
  if (found) return found;
  throw new Error(`--tails: expected some of ${tails.join(', ')}, got "${value}".\n${usage}`);
}

function proxyFrom(value: string): TailProxy {
  const proxy = proxyOf(value);
  if (proxy) return proxy;
  throw new Error(
    `--proxies: expected mean, spread, linear or mass, of blocks of 64 tokens or a multiple or of all, over the rest, -candidates or -block, counted or -estimated; got "${value}".\n${usage}`,
  );
}

function budgetsFrom(file: string): LayerBudgets {
  if (file === 'uniform') return { name: file, layerBudgets: file };
  const layerBudgets: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const isWeight = (value: unknown): value is number => typeof value === 'number' && value >= 0;
  if (Array.isArray(layerBudgets) && layerBudgets.every(isWeight)) {
    return { name: basename(file, '.json'), layerBudgets };
  }
  throw new Error(`--layer-budgets: expected a JSON array of numbers, none negative, in ${file}.\n${usage}`);
}

function mapsOf(value: string): { name: string; file: string | null } {
  const [name, file] = value.split('=');
  if (name && file) return { name, file };
  throw new Error(`--maps: expected NAME=FILE, got "${value}".\n${usage}`);
}

function textOf(value: string): TextChoice {
  const [file, start = '0', windows = '1'] = value.split(',');
  if (!file) throw new Error(`--text: expected FILE,START,N, got "${value}".\n${usage}`);
  return { file, start: integer('text', start, 0), windows: integer('text', windows, 1) };
}
