/** Tables made from records, put where a page asks for them: `<!-- perplexity 8192 -->` … `<!-- end -->`, of other records
 *  than the main ones `<!-- perplexity 8192 in choosing -->`. */
import { fractionLabel, type PolicyName, proxyOf, tails } from './policies.ts';
import {
  type EvalRecord,
  type NeedleRecord,
  type Perplexity,
  perplexities,
  type WindowRecord,
} from './records.ts';
import { nameOf, signed, table } from './report.ts';

const marker = /<!-- (\w+)((?: \S+)*) -->\n(?:[\s\S]*?\n)??<!-- end -->/g;

/** The page with every table made anew. files: records by name, the main ones "records".
 *  @throws Error for a marker that names no table or no file. */
export function fillPage(page: string, files: ReadonlyMap<string, readonly EvalRecord[]>): string {
  return page.replace(marker, (_, name: string, args: string) => {
    const words = args.trim().split(' ').filter(Boolean);
    const file = words.at(-2) === 'in' ? words.at(-1)! : 'records';
    const records = files.get(file);
    if (!records) throw new Error(`The page asks for a table of ${file}.jsonl, which there is not.`);
    return `<!-- ${[name, ...words].join(' ')} -->\n\n${tableOf(name, words, records)}\n\n<!-- end -->`;
  });
}

function tableOf(name: string, args: readonly string[], records: readonly EvalRecord[]): string {
  switch (name) {
    case 'perplexity':
      return perplexityTable(records, Number(args[0]));
    case 'bytes':
      return bytesTable(records, Number(args[0]));
    case 'windows':
      return windowTable(records, Number(args[0]), Number(args[1]));
    case 'needles':
      return needleTable(records);
    case 'choice':
      return choiceTable(records);
    default:
      throw new Error(`The page asks for a table "${name}", which there is not.`);
  }
}

/** A row for each policy, a column for each budget; windows are named where they are not all. */
function perplexityTable(records: readonly EvalRecord[], context: number): string {
  const rows = perplexities(records).filter((row) => row.context === context);
  const all = Math.max(...rows.map(({ windows }) => windows));
  return byBudget(
    rows,
    ({ excess, windows }) => signed(excess) + (windows < all ? ` (${windows} windows)` : ''),
  );
}

function bytesTable(records: readonly EvalRecord[], context: number): string {
  const rows = perplexities(records).filter((row) => row.context === context);
  return byBudget(
    rows,
    ({ bytes, share }) => `${(bytes / 1e6).toFixed(1)} MB, ${(100 * share).toFixed(1)} %`,
  );
}

function byBudget(rows: readonly Perplexity[], cell: (row: Perplexity) => string): string {
  const sparse = rows.filter(({ policy }) => policy.selector !== 'dense');
  const fractions = [...new Set(sparse.map(({ policy }) => policy.fraction))]
    .filter((fraction) => fraction > 0)
    .sort((a, b) => b - a);
  const lines = new Map<string, Perplexity[]>();
  for (const row of sparse.sort((a, b) => tailOrder(a.policy) - tailOrder(b.policy)))
    lines.set(lineOf(row.policy), [...(lines.get(lineOf(row.policy)) ?? []), row]);
  return table(
    ['policy', 'rest', ...fractions.map(fractionLabel)],
    [...lines.values()].map((own) => {
      const { policy } = own[0]!;
      const cells = fractions.map((fraction) => {
        // streaming selects nothing: its one figure stands in every column
        const row = own.find((other) => other.policy.fraction === fraction || other.policy.fraction === 0);
        return row ? cell(row) : '';
      });
      return [nameOf(policy), restOf(policy), ...cells];
    }),
  );
}

function tailOrder({ tail, proxy }: PolicyName): number {
  return proxy === undefined ? tails.indexOf(tail) : tails.length;
}

/** Each window's excess over dense at one budget. */
function windowTable(records: readonly EvalRecord[], context: number, inverse: number): string {
  const windows = records.filter(
    (record): record is WindowRecord => record.kind === 'window' && record.context === context,
  );
  const dense = windows.filter(({ policy }) => policy.selector === 'dense');
  const own = windows.filter(
    ({ policy }) => Math.abs(policy.fraction * inverse - 1) < 1e-9 && policy.tail !== 'none',
  );
  const sorted = own.sort((a, b) => tailOrder(a.policy) - tailOrder(b.policy));
  const policies = new Map(sorted.map(({ policy }) => [lineOf(policy), policy]));
  return table(
    ['policy', 'rest', ...dense.map(({ window }) => shortName(window))],
    [...policies].map(([line, policy]) => [
      nameOf(policy),
      restOf(policy),
      ...dense.map((reference) => {
        const record = own.find((one) => lineOf(one.policy) === line && one.window === reference.window);
        return record ? signed(Math.exp((record.loss - reference.loss) / record.tokens) - 1) : '';
      }),
    ]),
  );
}

/** "the-woman-in… 20000" of a text's file, first token and fingerprint. */
function shortName(window: string): string {
  const [file = '', start = ''] = window.split(' ');
  const name = file.replace(/\.\w+$/, '');
  return `${name.length > 12 ? `${name.slice(0, 12)}…` : name} ${start}`;
}

/** Prompts by where they come from. */
const needleGroups: readonly { readonly name: string; readonly has: (set: string) => boolean }[] = [
  { name: 'all', has: () => true },
  { name: 'the 72', has: (set) => !/number|locker|gate|ticket/.test(set) },
  { name: 'number, locker', has: (set) => /number|locker/.test(set) },
  { name: 'gate, ticket (kept aside)', has: (set) => /gate|ticket/.test(set) },
];

function needleTable(records: readonly EvalRecord[]): string {
  const needles = records.filter((record): record is NeedleRecord => record.kind === 'needle');
  const keys = [...new Set(needles.map(({ policy }) => JSON.stringify(policy)))];
  return table(
    ['policy', 'rest', 'selected', ...needleGroups.map(({ name }) => name)],
    keys.map((key) => {
      const own = needles.filter(({ policy }) => JSON.stringify(policy) === key);
      const { policy } = own[0]!;
      const cells = needleGroups.map(({ has }) => {
        const group = own.filter(({ set }) => has(set));
        return `${group.filter(({ isRight }) => isRight).length}/${group.length}`;
      });
      return [nameOf(policy), restOf(policy), fractionLabel(policy.fraction) || '–', ...cells];
    }),
  );
}

/** Mass and recall, the mean over layers and windows. */
function choiceTable(records: readonly EvalRecord[]): string {
  const quality = records.filter((record) => record.kind === 'quality');
  const keys = [...new Set(quality.map(({ policy }) => JSON.stringify(policy)))];
  return table(
    ['policy', 'selected', 'mass', 'recall'],
    keys.map((key) => {
      const own = quality.filter(({ policy }) => JSON.stringify(policy) === key);
      const layers = own.flatMap((record) => record.layers);
      const mean = (of: 'mass' | 'recall') =>
        (layers.reduce((sum, layer) => sum + layer[of], 0) / layers.length).toFixed(3);
      const { policy } = own[0]!;
      return [nameOf(policy), fractionLabel(policy.fraction) || '–', mean('mass'), mean('recall')];
    }),
  );
}

function lineOf({ fraction: _, ...rest }: PolicyName): string {
  return JSON.stringify(rest);
}

function restOf({ selector, tail, proxy, layer0 }: PolicyName): string {
  if (selector === 'dense') return '–';
  const known = proxy === undefined ? null : proxyOf(proxy);
  if (!known) {
    const rest = { blocks: '**blocks of 1024**', mean: 'one mean', none: 'nothing' }[tail];
    const first = layer0 ?? (tail === 'none' ? 'sparse' : 'dense');
    if (first === 'sparse') return `${rest}; no layer dense`;
    return tail === 'none' ? `${rest}; layer 0 dense` : rest;
  }
  const { kind, block, over, estimated } = known;
  const parts = [
    block === null ? 'one mean' : `blocks of ${block}`,
    { mean: '', spread: ', mass by variance', linear: ', values lean', mass: ', exact mass' }[kind],
    { rest: ', left out', candidates: ', candidates', block: ', whole' }[over],
    estimated ? ', estimated' : '',
  ];
  return parts.join('');
}
