/** Points of a figure over training steps as a line in a box. */
import type { LearningPoint } from './learning-session.ts';

export interface PlotLine {
  /** SVG path in a box of `plotBox`; empty for fewer than two points. */
  readonly path: string;
  /** Values at the box's lower and upper edge. */
  readonly low: number;
  readonly high: number;
}

/** Of the drawing area, SVG units. */
export const plotBox = { width: 300, height: 90 } as const;

/** steps: at the right edge. Without points the box is from 0 to 1. */
export function plotLine(points: readonly LearningPoint[], steps: number): PlotLine {
  if (points.length === 0) return { path: '', low: 0, high: 1 };
  const values = points.map(({ value }) => value);
  const least = Math.min(...values);
  const most = Math.max(...values);
  // a figure that never changes lies in the middle
  const room = most > least ? 0 : Math.abs(most) || 1;
  const [low, high] = [least - room, most + room];
  const at = (point: LearningPoint): string => {
    const { x, y } = plotPlace(point, steps, { low, high });
    return `${round(x)} ${round(y)}`;
  };
  return { path: points.length < 2 ? '' : `M${points.map(at).join('L')}`, low, high };
}

/** Where a point lies in the box. */
export function plotPlace(
  { step, value }: LearningPoint,
  steps: number,
  { low, high }: Pick<PlotLine, 'low' | 'high'>,
): { readonly x: number; readonly y: number } {
  const { width, height } = plotBox;
  return { x: (step / steps) * width, y: ((high - value) / (high - low)) * height };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
