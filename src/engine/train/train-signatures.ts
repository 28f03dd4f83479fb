/** Training from beginning to end, with what to tell and keep on the way. */
import { AppError, throwIfAborted } from '../../errors.ts';
import type { Recall } from './recall.ts';
import { SignatureTrainer, type TrainerParts } from './signature-trainer.ts';

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

export interface TrainRun {
  readonly checkpoint?: Uint8Array<ArrayBuffer> | undefined;
  /** Steps between reports of the loss, measurements of recall, checkpoints; 10, 100 and 100 unless told. */
  readonly reportEvery?: number;
  readonly measureEvery?: number;
  readonly checkpointEvery?: number;
  /** Awaited, so that whoever keeps a checkpoint has it before training goes on. */
  readonly onProgress?: (progress: TrainProgress) => void | Promise<void>;
  /** Stops after the step under way, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
}

/** @returns hash_attention.safetensors
 *  @throws AppError "aborted" when stopped, after the checkpoint; "invalid-request" when training diverges; whatever
 *  creating the trainer throws. */
export async function trainSignatures(
  parts: TrainerParts,
  run: TrainRun = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { reportEvery = 10, measureEvery = 100, checkpointEvery = 100, signal } = run;
  const { steps } = parts.options;
  const tell = async (progress: TrainProgress): Promise<void> => run.onProgress?.(progress);
  const trainer = await SignatureTrainer.create(parts, run.checkpoint);
  try {
    const measure = async (): Promise<void> =>
      tell({ kind: 'recall', step: trainer.step, recall: await trainer.measureRecall() });
    if (trainer.step === 0) await measure();
    let reported = trainer.step;
    let started = performance.now();
    while (trainer.step < steps) {
      await trainer.trainStep();
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
      if (step % measureEvery === 0 || isLast) await measure();
      if (reported === step) started = performance.now();
    }
    return await trainer.maps();
  } finally {
    trainer.dispose();
  }
}

function diverged(step: number): AppError {
  return new AppError(
    'invalid-request',
    `training diverged: the loss of step ${step} is not a number. Start anew with a lower rate.`,
  );
}
