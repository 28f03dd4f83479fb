/** Training from beginning to end, with what to tell and keep on the way. */
import { AppError, throwIfAborted } from '../../errors.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import type { RopeConfig } from '../../model/rope-config.ts';
import type { Network } from '../network/network.ts';
import type { TrainCorpus } from './corpus.ts';
import { layerBudgets, withLayerBudgets } from './layer-budgets.ts';
import { type Recall, summariseRecall } from './recall.ts';
import { SequenceCapture } from './sequence-capture.ts';
import { SignatureTrainer, type TrainStart } from './signature-trainer.ts';
import { checkSteps } from './train-options.ts';

export interface TrainParts {
  readonly gpu: Gpu;
  /** Its cache is used up by training. */
  readonly network: Network;
  /** What the network runs under. */
  readonly rope: RopeConfig;
  /** As the maps file will name it. */
  readonly model: string;
  /** The text, and by what options it is learnt from. */
  readonly corpus: TrainCorpus;
}

export type TrainProgress =
  /** loss: mean over the layers, nats; milliseconds: of one step, on average since the last report. */
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly steps: number;
      readonly loss: number;
      readonly milliseconds: number;
    }
  | { readonly kind: 'recall'; readonly step: number; readonly recall: Recall }
  /** To be kept: training goes on from it after an interruption. */
  | { readonly kind: 'checkpoint'; readonly step: number; readonly bytes: Uint8Array<ArrayBuffer> };

export interface TrainRun extends TrainStart {
  /** Steps between reports of the loss, measurements of recall, checkpoints; 10, 100 and 100 unless told. */
  readonly reportEvery?: number;
  readonly measureEvery?: number;
  readonly checkpointEvery?: number;
  /** Awaited, so that whoever keeps a checkpoint has it before training goes on. */
  readonly onProgress?: (progress: TrainProgress) => void | Promise<void>;
  /** Stops after the step under way, with a checkpoint; before the first step without one. */
  readonly signal?: AbortSignal | undefined;
}

/** @returns hash_attention.safetensors; after no steps at all that of `from`, with the budgets by layer that are measured
 *  @throws AppError "aborted" when stopped, after the checkpoint; "invalid-request" when the context is too short, or
 *  training diverges; whatever creating the trainer throws. */
export async function trainSignatures(
  parts: TrainParts,
  run: TrainRun = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { gpu, network, rope, model, corpus } = parts;
  const { options } = corpus;
  checkSteps(options, run);
  const tokens = Math.max(...options.lengths);
  const capture = await SequenceCapture.create({ gpu, network, tokens, positions: options.positions });
  try {
    const trainer = await SignatureTrainer.create({ gpu, capture, rope, model, options }, run);
    try {
      const { layers } = await runSteps({ capture, corpus, trainer }, run);
      const budgets = options.layerBudgets === 'missed' ? layerBudgets(layers) : null;
      if (options.steps > 0 || !run.from) return await trainer.maps(budgets);
      return budgets ? withLayerBudgets(run.from, budgets) : run.from;
    } finally {
      trainer.dispose();
    }
  } finally {
    capture.dispose();
  }
}

interface Training {
  readonly capture: SequenceCapture;
  readonly corpus: TrainCorpus;
  readonly trainer: SignatureTrainer;
}

/** @returns what was measured after the last step */
async function runSteps(training: Training, run: TrainRun): Promise<Recall> {
  const { capture, corpus, trainer } = training;
  const { reportEvery = 10, measureEvery = 100, checkpointEvery = 100, signal } = run;
  const { steps } = corpus.options;
  const tell = async (progress: TrainProgress): Promise<void> => run.onProgress?.(progress);
  const measure = async (): Promise<Recall> => {
    const recall = await measureRecall(training);
    await tell({ kind: 'recall', step: trainer.step, recall });
    return recall;
  };
  let latest: Recall | null = null;
  if (trainer.step === 0) {
    throwIfAborted(signal);
    latest = await measure();
    throwIfAborted(signal);
  }
  let reported = trainer.step;
  let started = performance.now();
  while (trainer.step < steps) {
    const sequence = corpus.sequence(trainer.step + 1);
    await capture.run(sequence);
    await trainer.trainStep(sequence.tokens.length);
    const { step } = trainer;
    const isLast = step === steps;
    if (step % reportEvery === 0 || isLast) {
      const loss = await trainer.readLoss();
      if (!Number.isFinite(loss)) throw diverged(step);
      const milliseconds = (performance.now() - started) / (step - reported);
      await tell({ kind: 'step', step, steps, loss, milliseconds });
      reported = step;
    }
    if (step % checkpointEvery === 0 || isLast || signal?.aborted) {
      await tell({ kind: 'checkpoint', step, bytes: await trainer.checkpoint() });
    }
    if (!isLast) throwIfAborted(signal);
    if (step % measureEvery === 0 || isLast) latest = await measure();
    if (reported === step) started = performance.now();
  }
  return latest ?? measure();
}

/** How well the signatures of now find what attention looks at in the text kept aside. */
export async function measureRecall({ capture, corpus, trainer }: Training): Promise<Recall> {
  const rows: Float32Array[] = [];
  for (let index = 0; index < corpus.options.heldOut; index++) {
    const sequence = corpus.heldOut(index);
    await capture.run(sequence);
    rows.push(await trainer.measureRows(sequence.tokens.length));
  }
  return summariseRecall(rows, capture.network.config.layers, trainer.headsPerList);
}

function diverged(step: number): AppError {
  return new AppError(
    'invalid-request',
    `training diverged: the loss of step ${step} is not a number. Start anew with a lower rate.`,
  );
}
