import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { readCheckpoint, type TrainIdentity, writeCheckpoint } from './checkpoint.ts';
import { completeTrainOptions } from './train-options.ts';

describe(`checkpoints (seed ${runSeed})`, () => {
  const random = new Random(runSeed);
  const options = completeTrainOptions({});
  const identity: TrainIdentity = { options, model: 'a model', layers: 2, count: 5 };
  const layers = [0, 1].map(() => ({ parameters: random.normals(5), moments: random.normals(10) }));
  const bytes = writeCheckpoint(identity, { step: 37, layers });

  test('what is written is read again', () => {
    expect(readCheckpoint(bytes, identity)).toEqual({ step: 37, layers });
  });

  test.each([
    ['another model', { ...identity, model: 'b' }, 'made with model a model'],
    ['other options', { ...identity, options: { ...options, seed: 2 } }, 'made with options'],
    ['more layers', { ...identity, layers: 3 }, 'tensor layers.2.parameters must be F32 [5], got none'],
    ['larger maps', { ...identity, count: 6 }, 'must be F32 [6], got F32 [5]'],
  ])('%s is refused', (_, other, message) => {
    expect(() => readCheckpoint(bytes, other)).toThrow(message);
  });

  test('a damaged file is refused', () => {
    expect(() => readCheckpoint(bytes.slice(0, -4), identity)).toThrow('checkpoint');
  });
});
