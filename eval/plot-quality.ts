/** Quality against bytes read: every policy a line over its budgets. */
import { fractionLabel, type PolicyName, restLabel } from './policies.ts';
import type { Perplexity } from './records.ts';
import { element, picture, round, text } from './svg.ts';

const size = { width: 790, height: 520, left: 64, right: 240, top: 40, bottom: 48 };
/** Distinct for colour-blind readers (Okabe and Ito 2008, and three more). */
const colours = '#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #555555 #8c564b #332288'.split(' ');
const percents = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];

/** Both axes are logarithmic; excesses below a twentieth of a percent are drawn there. */
export function qualityPlot(rows: readonly Perplexity[], context: number): string {
  const shown = rows.filter(({ context: own, policy: { selector, layer0 } }) => {
    return own === context && selector !== 'dense' && layer0 === undefined;
  });
  const lines = new Map<string, Perplexity[]>();
  for (const row of shown) {
    const name = lineName(row.policy);
    lines.set(name, [...(lines.get(name) ?? []), row]);
  }
  const choosers = [...new Set(shown.map(({ policy }) => chooserOf(policy)))];
  const shares = shown.map(({ share }) => share);
  const excesses = shown.map(({ excess }) => Math.max(excess, 5e-4));
  const x = logScale(Math.min(...shares) * 0.9, 1, size.left, size.width - size.right);
  const highest = Math.max(...excesses, 0.01) * 1.15;
  const y = logScale(Math.min(...excesses, 0.004) * 0.9, highest, size.height - size.bottom, size.top);
  const bottom = size.height - size.bottom;
  const end = size.width - size.right;
  const grid = { stroke: '#e3e6ec', 'stroke-width': 1 };
  const xTicks = [1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1].filter((share) => share >= x.low);
  const yTicks = percents.filter((percent) => percent / 100 >= y.low && percent / 100 <= y.high);
  return picture(size.width, size.height, `Perplexity against bytes read, ${context} tokens`, [
    ...xTicks.flatMap((share) => [
      element('line', { x1: round(x.at(share)), x2: round(x.at(share)), y1: size.top, y2: bottom, ...grid }),
      text(x.at(share), bottom + 16, `${round(share * 100)} %`, { 'text-anchor': 'middle' }),
    ]),
    ...yTicks.flatMap((percent) => [
      element('line', {
        x1: size.left,
        x2: end,
        y1: round(y.at(percent / 100)),
        y2: round(y.at(percent / 100)),
        ...grid,
      }),
      text(size.left - 8, y.at(percent / 100) + 4, `+${percent} %`, { 'text-anchor': 'end' }),
    ]),
    text(size.left, 22, `Perplexity above dense, context ${context}`, { 'font-weight': 600 }),
    text((size.left + end) / 2, size.height - 10, 'bytes attention reads for a token, of what dense reads', {
      'text-anchor': 'middle',
    }),
    ...[...lines].flatMap(([name, points], i) => {
      const chooser = choosers.indexOf(chooserOf(points[0]!.policy));
      const stroke = colours[chooser % colours.length]!;
      return lineOf({ name, points, stroke, place: i }, x, y);
    }),
  ]);
}

interface Line {
  readonly name: string;
  readonly points: readonly Perplexity[];
  readonly stroke: string;
  /** In the legend. */
  readonly place: number;
}

function lineOf({ name, points, stroke, place }: Line, x: Scale, y: Scale): string[] {
  const dash = dashOf(points[0]!.policy);
  const sorted = [...points].sort((a, b) => a.share - b.share);
  const placed = sorted.map((point) => ({
    ...{ cx: round(x.at(point.share)), cy: round(y.at(Math.max(point.excess, 5e-4))) },
    point,
  }));
  const legendY = size.top + 12 + 18 * place;
  const legendX = size.width - size.right + 16;
  const path = placed.map(({ cx, cy }) => `${cx},${cy}`).join(' ');
  return [
    element('polyline', { points: path, fill: 'none', stroke, 'stroke-width': 2, ...dash }),
    ...placed.map(({ cx, cy, point }) =>
      element('circle', { cx, cy, r: 3.5, fill: stroke }, [
        element('title', {}, [
          `${name} ${fractionLabel(point.policy.fraction)}: +${round(1000 * point.excess) / 10} %`,
        ]),
      ]),
    ),
    element('line', {
      x1: legendX,
      x2: legendX + 22,
      y1: legendY,
      y2: legendY,
      stroke,
      'stroke-width': 2,
      ...dash,
    }),
    text(legendX + 28, legendY + 4, name),
  ];
}

function lineName(policy: PolicyName): string {
  const { budgets = '' } = policy;
  return [chooserOf(policy), budgets, restLabel(policy)].filter((part) => part !== '').join(' ');
}

/** Who chooses tokens: a colour. */
function chooserOf({ selector, maps }: PolicyName): string {
  return [selector, maps].filter((part) => part !== '').join(' ');
}

/** What becomes of the others: a dash. */
function dashOf({ tail, proxy }: PolicyName): { 'stroke-dasharray'?: string } {
  if (proxy !== undefined) return { 'stroke-dasharray': '9 3 2 3' };
  return { blocks: {}, mean: { 'stroke-dasharray': '7 4' }, none: { 'stroke-dasharray': '2 4' } }[tail];
}

interface Scale {
  readonly low: number;
  readonly high: number;
  at(value: number): number;
}

function logScale(low: number, high: number, from: number, to: number): Scale {
  const span = Math.log(high / low);
  return { low, high, at: (value) => from + ((to - from) * Math.log(value / low)) / span };
}
