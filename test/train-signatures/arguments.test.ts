/** The command line of `npm run train-signatures`. */
import { describe, expect, test } from 'vitest';
import { parseArguments, type TrainArguments } from '../../scripts/train-signatures/arguments.ts';
import { defaultTrainOptions, publishedTrainOptions } from '../../src/engine/train/train-options.ts';

const least = ['--model', 'm', '--text', 'a.txt', '--out', 'o.safetensors'];

function parse(...more: string[]): TrainArguments {
  const parsed = parseArguments([...least, ...more]);
  if (parsed === 'help') throw new Error('help was not asked for');
  return parsed;
}

describe('arguments', () => {
  test('defaults are those of the engine, lengths at most the trained context', () => {
    const { options, checkpoint, stopAfter, from } = parse();
    expect(options(8192)).toEqual(defaultTrainOptions);
    expect(options(5000).lengths).toEqual([5000, 4096, 512, 5000, 4096, 1024]);
    expect([checkpoint, stopAfter, from]).toEqual(['o.safetensors.checkpoint', null, null]);
  });

  test('every option arrives', () => {
    const given = [
      ...['--steps', '7', '--lengths', '1000,2000', '--positions', '9', '--bits', '64', '--hidden', '8,16'],
      ...[
        '--loss',
        'bce',
        '--score',
        'hamming',
        '--sharing',
        'query-head',
        '--query-bits',
        '2',
        '--rate',
        '.5',
      ],
      ...['--last-rate', '.25', '--warm-up', '3', '--beta', '2,3', '--repeat-every', '50', '--sink', '4'],
      ...['--facts-every', '70'],
      ...['--window', '5', '--seed', '6', '--first-scale', '.125', '--layer-budgets', 'none'],
    ];
    expect(parse('--from', 'b.safetensors').from).toBe('b.safetensors');
    expect(parse(...given).options(8192)).toEqual({
      ...{ steps: 7, lengths: [1000, 2000], positions: 9, bits: 64, hidden: [8, 16], loss: 'bce' },
      ...{ score: 'hamming', sharing: 'query-head', queryBits: 2, rate: 0.5, lastRate: 0.25, warmUp: 3 },
      ...{ beta: [2, 3], repeatEvery: 50, factsEvery: 70, sink: 4, window: 5, seed: 6, firstScale: 0.125 },
      ...{ heldOut: defaultTrainOptions.heldOut, recallShare: defaultTrainOptions.recallShare },
      layerBudgets: 'none',
    });
  });

  test('a recipe gives way to options, linear maps have no hidden widths', () => {
    const { options } = parse('--recipe', 'published', '--hidden', 'none', '--rate', '.01');
    expect(options(8192)).toEqual({
      ...defaultTrainOptions,
      ...publishedTrainOptions,
      ...{ hidden: [], rate: 0.01 },
    });
  });

  test.each([
    [['--steps', 'many'], 'steps: expected an integer'],
    [['--loss', 'mse'], 'loss: expected mass or bce; got mse'],
    [['--layer-budgets', 'equal'], 'layerBudgets: expected missed or none; got equal'],
    [['--recipe', 'other'], '--recipe: expected published; got other'],
    [['--weights', 'q5'], '--weights: expected stored, f16, q8 or q4; got q5'],
    [['--step', '3'], "Unknown option '--step'"],
    [['--beta', '1'], 'beta: expected two numbers'],
  ])('%j is refused', (wrong, message) => {
    expect(() => parse(...wrong).options(8192)).toThrow(message);
  });

  test('what cannot be left out is asked for', () => {
    expect(() => parseArguments(['--text', 'a', '--out', 'o'])).toThrow('--model is missing');
    expect(() => parseArguments(['--model', 'm', '--out', 'o'])).toThrow('--text is missing');
    expect(parseArguments(['--help'])).toBe('help');
  });
});
