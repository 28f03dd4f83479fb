/** Learning signatures from text, as callers of the engine ask for it: loaded when first wanted. */
import { AppError, throwIfAborted } from '../../errors.ts';
import type { TextSide } from '../text-engine.ts';
import { TrainCorpus } from './corpus.ts';
import { encodeTexts } from './encode-texts.ts';
import { EventQueue } from './event-queue.ts';
import { factDrawer } from './facts.ts';
import { type LearningSize, learningDefaults } from './learning-defaults.ts';
import { checkSteps, completeTrainOptions, defaultTrainOptions, type TrainOptions } from './train-options.ts';
import { trainSignatures } from './train-signatures.ts';
import type { TrainEvent, TrainRequest } from './train-types.ts';

/** Waits for its turn among the requests, and keeps it until it ends.
 *  @throws AppError "invalid-request" for text or options; "aborted"; whatever training throws. */
export async function* learnSignatures(side: TextSide, request: TrainRequest): AsyncGenerator<TrainEvent> {
  const { parts, generator, disposal } = side;
  const { tokens, model, plan, encode, renderChat } = parts;
  const left = new AbortController();
  const signals = [left.signal, disposal, ...(request.signal ? [request.signal] : [])];
  const signal = AbortSignal.any(signals);
  const options = trainOptions(
    { ...learningDefaults(plan), ...withoutUndefined(request) },
    plan.contextLength,
  );
  checkSteps(options, request);
  const text = await encodeTexts(request.text, encode, signal);
  // refuses text that is too short before it waits
  const corpus = new TrainCorpus(text, options, factDrawer({ encode, renderChat }));
  const events = new EventQueue<TrainEvent>();
  const onProgress = (event: TrainEvent): void => events.push(event);
  const run = {
    checkpoint: request.checkpoint,
    from: request.from,
    reportEvery: reportEvery(options),
    measureEvery: measureEvery(options),
  };
  const training = generator.turns
    .run(
      () =>
        tokens.withNetwork(async ({ gpu, network }) => {
          const { rope } = network;
          const training = { gpu, network, rope, model: model.name, corpus };
          onProgress({
            kind: 'finished',
            maps: await trainSignatures(training, { ...run, onProgress, signal }),
          });
        }),
      signal,
    )
    .catch((error: unknown) => {
      throwIfAborted(disposal); // what was disposed under the training fails in any way
      throw error;
    });
  events.endWith(training);
  try {
    yield* events;
  } finally {
    left.abort();
    await training.catch(() => undefined);
  }
}

/** The trainer's own recipe, at sequences of this length. */
export function trainOptions(
  { steps, longest, seed }: LearningSize & Pick<TrainRequest, 'seed'>,
  context: number,
): TrainOptions {
  if (Number.isInteger(longest) && longest > context) {
    throw new AppError(
      'invalid-request',
      `training option longest: expected at most the planned context of ${context} tokens; got ${longest}. Choose shorter sequences.`,
    );
  }
  const { lengths, positions, warmUp } = defaultTrainOptions;
  const isLong = longest >= 1024;
  return completeTrainOptions({
    steps,
    lengths: isLong ? lengths.map((length) => Math.min(length, longest)) : [longest],
    positions: Math.min(positions, Math.floor(longest / 4)),
    warmUp: Math.min(warmUp, Math.floor(steps / 10)),
    ...(seed === undefined ? {} : { seed }),
  });
}

/** About a hundred points of a plot of the loss, and ten of recall. */
function reportEvery({ steps }: TrainOptions): number {
  return Math.max(1, Math.round(steps / 100));
}

function measureEvery({ steps }: TrainOptions): number {
  return Math.max(1, Math.round(steps / 10));
}

function withoutUndefined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
