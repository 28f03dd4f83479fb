import { formatShare, formatSteps } from '../state/format.ts';
import { plotBox, plotLine, plotPlace } from '../state/learning-plot.ts';
import type { LearningPoint, LearningRun } from '../state/learning-session.ts';

/** Loss and recall over the steps, side by side; the newest values in words. */
export function LearningPlots({ run }: { readonly run: LearningRun }) {
  return (
    <div class="learning-plots">
      <Plot title="Loss" points={run.losses} steps={run.steps} format={(loss) => loss.toFixed(3)} />
      <Plot title="Recall on text kept aside" points={run.recalls} steps={run.steps} format={formatShare} />
    </div>
  );
}

function Plot(props: {
  readonly title: string;
  readonly points: readonly LearningPoint[];
  readonly steps: number;
  readonly format: (value: number) => string;
}) {
  const { title, points, steps, format } = props;
  const { path, low, high } = plotLine(points, steps);
  const first = points[0];
  const last = points.at(-1);
  const words =
    first && last
      ? (first === last ? [last] : [last, first]).map((point) => pointText(point, format)).join('; ')
      : 'not measured yet';
  const { width, height } = plotBox;
  return (
    <figure>
      <figcaption>
        {title}: {words}
      </figcaption>
      <svg
        viewBox={`-40 -8 ${width + 44} ${height + 26}`}
        role="img"
        aria-label={`${title} over steps: ${words}`}
      >
        <path class="axis" d={`M0 0V${height}H${width}`} />
        {path !== '' && <path class="line" d={path} />}
        {points.map((point) => {
          const { x, y } = plotPlace(point, steps, { low, high });
          return <circle key={point.step} class="point" cx={x} cy={y} r={points.length > 30 ? 0 : 2} />;
        })}
        {path !== '' && (
          <>
            <text x={-4} y={4} text-anchor="end">
              {format(high)}
            </text>
            <text x={-4} y={height} text-anchor="end">
              {format(low)}
            </text>
          </>
        )}
        <text x={width} y={height + 14} text-anchor="end">
          {formatSteps(steps)}
        </text>
      </svg>
    </figure>
  );
}

function pointText({ step, value }: LearningPoint, format: (value: number) => string): string {
  return `${format(value)} ${step === 0 ? 'at first' : `after ${formatSteps(step)}`}`;
}
