/** The specification of train-loss in double precision. */

export interface LossInput {
  readonly kind: 'mass' | 'bce';
  /** Of one row's candidates. */
  readonly scores: ArrayLike<number>;
  readonly targets: ArrayLike<number>;
  /** t */
  readonly scale: number;
  /** Weight of the row. */
  readonly share: number;
}

export interface LossOutput {
  readonly loss: number;
  /** Of the loss by each score. */
  readonly slopes: Float64Array;
  /** Of the loss by t; 0 for 'bce', which leaves t alone. */
  readonly scaleSlope: number;
  /** By what share the least target among the labels is above the largest of the others; Infinity where that says nothing. */
  readonly labelGap: number;
}

/** Positives of the published loss, and their weight. */
const labels = 32;
const positiveWeight = 20;

/** One row's loss; all zero where it has no candidates. */
export function lossReference(input: LossInput): LossOutput {
  if (input.scores.length === 0) {
    return { loss: 0, slopes: new Float64Array(0), scaleSlope: 0, labelGap: Number.POSITIVE_INFINITY };
  }
  return input.kind === 'mass' ? massLoss(input) : bceLoss(input);
}

/** −Σ T · log softmax(t · S) */
function massLoss({ scores, targets, scale, share }: LossInput): LossOutput {
  const x = Array.from(scores, (score) => scale * score);
  const largest = x.reduce((a, b) => Math.max(a, b));
  const sum = x.reduce((total, value) => total + Math.exp(value - largest), 0);
  const mass = Array.from(targets).reduce((a, b) => a + b, 0);
  let [loss, scaleSlope] = [0, 0];
  const slopes = Float64Array.from(x, (value, i) => {
    const logShare = value - largest - Math.log(sum);
    loss -= share * targets[i]! * logShare;
    const slope = share * (mass * Math.exp(logShare) - targets[i]!);
    scaleSlope += slope * scores[i]!;
    return slope * scale;
  });
  return { loss, slopes, scaleSlope, labelGap: Number.POSITIVE_INFINITY };
}

/** Binary cross-entropy of σ(t · S) against "is among the 32 largest targets". */
function bceLoss({ scores, targets, scale, share }: LossInput): LossOutput {
  const sorted = Array.from(targets).sort((a, b) => b - a);
  const threshold = sorted[labels - 1] ?? 0;
  const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  let loss = 0;
  const slopes = Float64Array.from(Array.from(scores), (score, i) => {
    const isLabel = targets[i]! > 0 && targets[i]! >= threshold;
    const x = scale * score;
    loss += share * (isLabel ? positiveWeight * softplus(-x) : softplus(x));
    return share * scale * (isLabel ? -positiveWeight / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
  });
  const other = sorted[labels] ?? 0;
  return {
    loss,
    slopes,
    scaleSlope: 0,
    labelGap: other > 0 ? threshold / other - 1 : Number.POSITIVE_INFINITY,
  };
}
