/** Needles found by depth and length: a grid for every policy, the share found in each cell. */
import { policyLabel } from './policies.ts';
import type { EvalRecord, NeedleRecord } from './records.ts';
import { element, picture, text } from './svg.ts';

const depths = 5;
const cell = { width: 44, height: 22 };
const gridsInRow = 3;

export function needlePlot(records: readonly EvalRecord[]): string {
  const needles = records.filter((record) => record.kind === 'needle').filter(({ depth }) => depth !== null);
  const lengths = [...new Set(needles.map(({ length }) => lengthBin(length)))].sort((a, b) => a - b);
  const byPolicy = new Map<string, NeedleRecord[]>();
  for (const needle of needles) {
    const label = policyLabel(needle.policy);
    byPolicy.set(label, [...(byPolicy.get(label) ?? []), needle]);
  }
  const gridWidth = 56 + lengths.length * cell.width + 20;
  const gridHeight = 44 + depths * cell.height + 16;
  const rows = Math.ceil(byPolicy.size / gridsInRow);
  const width = 20 + Math.min(gridsInRow, Math.max(1, byPolicy.size)) * gridWidth;
  return picture(width, 44 + rows * gridHeight, 'Needles found by depth and length', [
    text(20, 24, 'Needles found: columns by thousands of tokens, rows from the first fifth to the last', {
      'font-weight': 600,
    }),
    ...[...byPolicy].map(([label, own], i) =>
      element(
        'g',
        {
          transform: `translate(${20 + (i % gridsInRow) * gridWidth} ${40 + Math.floor(i / gridsInRow) * gridHeight})`,
        },
        gridOf(label, own, lengths),
      ),
    ),
  ]);
}

function gridOf(label: string, needles: readonly NeedleRecord[], lengths: readonly number[]): string[] {
  const parts = [text(0, 14, label, { 'font-weight': 600 })];
  lengths.forEach((length, column) => {
    const x = 40 + column * cell.width;
    parts.push(text(x + cell.width / 2, 30, `${length}K`, { 'text-anchor': 'middle', 'font-size': 10 }));
    for (let row = 0; row < depths; row++) {
      const own = needles.filter(
        (needle) =>
          lengthBin(needle.length) === length &&
          Math.min(depths - 1, Math.floor(needle.depth! * depths)) === row,
      );
      parts.push(...cellOf(x, 36 + row * cell.height, own));
    }
  });
  for (let row = 0; row < depths; row++) {
    const y = 36 + row * cell.height + 15;
    parts.push(
      text(34, y, `${Math.round((100 * (row + 0.5)) / depths)} %`, { 'text-anchor': 'end', 'font-size': 10 }),
    );
  }
  return parts;
}

function cellOf(x: number, y: number, needles: readonly NeedleRecord[]): string[] {
  const box = { x: x + 1, y: y + 1, width: cell.width - 2, height: cell.height - 2 };
  if (needles.length === 0) return [element('rect', { ...box, fill: '#f2f3f6' })];
  const right = needles.filter(({ isRight }) => isRight).length;
  const share = right / needles.length;
  // From orange through white to blue.
  const mix = (from: number, to: number) => Math.round(from + (to - from) * Math.abs(2 * share - 1));
  const fill = share < 0.5 ? [255, mix(255, 150), mix(255, 80)] : [mix(255, 100), mix(255, 170), 255];
  return [
    element('rect', { ...box, fill: `rgb(${fill.join(' ')})` }),
    text(x + cell.width / 2, y + 15, `${right}/${needles.length}`, {
      'text-anchor': 'middle',
      'font-size': 10,
    }),
  ];
}

/** Thousands of tokens, rounded. */
function lengthBin(length: number): number {
  return Math.max(1, Math.round(length / 1000));
}
