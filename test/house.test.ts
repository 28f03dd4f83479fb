/** The rules of docs/architecture.md and of the house, over the source text. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

interface Import {
  readonly from: string;
  /** Path from the root, or the name of a package. */
  readonly to: string;
  readonly isTypeOnly: boolean;
}

function filesUnder(folder: string, extensions: readonly string[]): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => extensions.some((extension) => name.endsWith(extension)))
    .map((name) => `${folder}/${name}`)
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** import … from, export … from, import '…', import('…') and new URL('…', import.meta.url). */
const importPattern =
  /^(?:import|export)\s(type\s)?[^;'"]*?from\s'([^']+)'|^import\s'([^']+)'|\bimport\('([^']+)'|\bnew URL\('(\.[^']+)'/gm;

function importsOf({ path, text }: SourceFile): Import[] {
  return [...text.matchAll(importPattern)].map((match) => {
    const target = (match[2] ?? match[3] ?? match[4] ?? match[5])!.replace(/\?.*$/, '');
    const to = target.startsWith('.') ? join(dirname(path), target) : target;
    return { from: path, to, isTypeOnly: match[1] !== undefined };
  });
}

const isTest = (path: string): boolean => path.endsWith('.test.ts') || path.includes('/testing/');
const isReference = (path: string): boolean => path.endsWith('.ref.ts');

const typescript = filesUnder('src', ['.ts', '.tsx']);
const shipped = typescript.filter(({ path }) => !isTest(path));
const imports = shipped.flatMap(importsOf);

/** src/kernels/attend/attend.ts → src/kernels/attend */
const folderOf = (path: string): string => path.split('/').slice(0, 3).join('/');
const commonToKernels = ['src/kernels/runtime', 'src/kernels/shared'];

const libraries: Readonly<Record<string, readonly string[]>> = {
  model: ['@huggingface/tokenizers', '@huggingface/jinja'],
  ui: ['preact', 'preact/hooks', '@preact/signals', 'marked'],
};

/** Whether the layers allow it. */
function isAllowed({ from, to }: Import): boolean {
  const layer = from.split('/')[1]!;
  if (!to.startsWith('src/')) {
    return libraries[layer]?.includes(to) ?? false;
  }
  if (isTest(to)) return false;
  if (isReference(to)) return isReference(from);
  if (folderOf(from) === folderOf(to) && layer === 'kernels') return true;
  switch (layer) {
    case 'errors.ts':
      return false;
    case 'model':
      return to === 'src/errors.ts' || to.startsWith('src/model/');
    case 'kernels':
      return to === 'src/errors.ts' || commonToKernels.includes(folderOf(to));
    case 'engine':
      return !to.startsWith('src/ui/');
    case 'ui':
      return to === 'src/engine/index.ts' || to.startsWith('src/ui/');
    default:
      return false;
  }
}

/** Every import that closes a cycle, as the cycle. Type imports vanish when compiled and close none. */
function cyclesOf(edges: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, to, isTypeOnly } of edges) {
    if (!isTypeOnly) targets.set(from, [...(targets.get(from) ?? []), to]);
  }
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path].join(' → '));
    if (start >= 0 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return cycles;
}

function linesMatching(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line}`] : [])),
  );
}

function longerThan(files: readonly SourceFile[], most: number): string[] {
  return files
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > most)
    .map(({ path, lines }) => `${path}: ${lines} lines, at most ${most}`);
}

describe('layers', () => {
  test('the search for imports sees all forms', () => {
    const text = [
      "import a, {\n  type B,\n} from './a.ts';",
      "import type { C } from '../c.ts';",
      "export * from './d.ts';",
      "import './e.css';",
      "const f = () => import('./f.ts');",
      "new Worker(new URL('./g.ts', import.meta.url));",
      "import h from './h.wgsl?raw';",
    ].join('\n');
    expect(importsOf({ path: 'src/x/y.ts', text }).map(({ to, isTypeOnly }) => [to, isTypeOnly])).toEqual([
      ['src/x/a.ts', false],
      ['src/c.ts', true],
      ['src/x/d.ts', false],
      ['src/x/e.css', false],
      ['src/x/f.ts', false],
      ['src/x/g.ts', false],
      ['src/x/h.wgsl', false],
    ]);
    expect(imports.length).toBeGreaterThan(400);
  });

  test('a file imports only what its layer may', () => {
    const refused = imports.filter((one) => !isAllowed(one)).map(({ from, to }) => `${from} imports ${to}`);
    expect(refused).toEqual([]);
  });

  test('no imports go in a circle', () => {
    const edge = (from: string, to: string): Import => ({ from, to, isTypeOnly: false });
    expect(cyclesOf([edge('a', 'b'), edge('b', 'c'), edge('c', 'b')])).toEqual(['b → c → b']);
    expect(cyclesOf(imports)).toEqual([]);
  });

  test('nothing imports a file that is not there', () => {
    const known = new Set([...typescript, ...filesUnder('src', ['.wgsl', '.css'])].map(({ path }) => path));
    const missing = imports.filter(({ to }) => to.startsWith('src/') && !known.has(to));
    expect(missing).toEqual([]);
  });
});

describe('house', () => {
  const wgsl = filesUnder('src', ['.wgsl']);
  const folders = ['src', 'bench', 'build', 'docs', 'e2e', 'eval', 'scripts', 'test'];
  const extensions = ['.ts', '.tsx', '.mjs', '.wgsl', '.css', '.html', '.md'];
  const written = folders
    .flatMap((folder) => filesUnder(folder, extensions))
    .filter(({ path }) => !path.startsWith('test/data/') && path !== 'test/house.test.ts');

  test('no variable of a module changes', () => {
    expect(linesMatching(shipped, /^(?:export )?(?:let|var) /)).toEqual([]);
  });

  test('files are small', () => {
    expect(longerThan(shipped, 300)).toEqual([]);
    expect(longerThan(wgsl, 250)).toEqual([]);
  });

  test('nothing unfinished, and no path of one machine', () => {
    expect(written.length).toBeGreaterThan(300);
    expect(linesMatching(written, /\b(?:TODO|FIXME|XXX)\b/)).toEqual([]);
    expect(linesMatching(written, /(?<![\w.:/])\/(?:work|home|root|tmp|Users)\//)).toEqual([]);
    expect(linesMatching(written, /\b(?:claude|copilot|chatgpt|sub-?agent)\b/i)).toEqual([]);
  });
});
