/** The command line of `npm run train-signatures`. */
import { parseArgs } from 'node:util';
import {
  completeTrainOptions,
  publishedTrainOptions,
  type TrainOptions,
} from '../../src/engine/train/train-options.ts';
import { AppError } from '../../src/errors.ts';

export const usage = `npm run train-signatures -- --model DIR|REPO --text FILE … --out hash_attention.safetensors

  --model NAME        folder of a model, or a Hugging Face repository
  --text FILE         training text, UTF-8; may be given several times
  --tokens FILE       token ids in place of text: little-endian u16 where the name ends in .u16, else u32
  --out FILE          where the signature maps go
  --steps N           500
  --lengths N,N,…     tokens of the sequences, in turn; 8192,4096,512,6144,4096,1024, at most the model's trained context
  --positions N       queries a step; 384
  --bits 16|32|64     32
  --hidden N,N,…      widths between head size and bits; 64; "none" for linear maps
  --loss mass|bce     mass
  --score asymmetric|hamming
  --sharing kv-head|query-head
  --query-bits 1…4    4
  --rate X            1e-2
  --last-rate X       share of the rate at the end; 0.03
  --warm-up N         20
  --beta A,B          tanh(β·x) stands for the sign, β from A to B; 1,16
  --first-scale X     of the scores, t, before it is learnt; 0.1
  --repeat-every N    tokens of text per span that is repeated later; 800; 0 for none
  --facts-every N     tokens of text per made-up fact that is stated and asked for later; 400; 0 for none
  --sink N, --window N   128, 128; each at most a sixteenth of a sequence
  --seed N            1
  --layer-budgets missed|none   which layers need more of a budget than others, by what they miss of text kept aside; missed
  --recipe published  loss, score, sharing, widths and rate of arXiv:2412.14468; other options go on top
  --weights KIND      how unquantised weights are kept: stored (as they are), f16, q8, q4; stored
  --checkpoint FILE   kept while training; OUT.checkpoint
  --checkpoint-every N   100
  --measure-every N   steps between measurements of recall on text kept aside; 100
  --from FILE         begin from these maps, of the same layout; t from the file, or --first-scale where it has none. With
                      --steps 0 they stay as they are, and only the budgets by layer are measured and put in
  --resume            go on from the checkpoint, whatever --from says
  --stop-after SECONDS   stop with a checkpoint, to go on later
`;

export interface TrainArguments {
  readonly model: string;
  readonly text: readonly string[];
  readonly tokens: readonly string[];
  readonly out: string;
  readonly checkpoint: string;
  readonly checkpointEvery: number;
  readonly measureEvery: number;
  readonly resume: boolean;
  /** Maps to begin from; null: random ones. */
  readonly from: string | null;
  readonly weights: 'stored' | 'f16' | 'q8' | 'q4';
  /** Seconds; null: until the last step. */
  readonly stopAfter: number | null;
  /** Complete but for lengths, which follow from the model where they are not given. */
  readonly options: (trainedContext: number) => TrainOptions;
}

/** @throws AppError "invalid-request" */
export function parseArguments(argv: readonly string[]): TrainArguments | 'help' {
  const { values } = readArguments(argv);
  if (values.help) return 'help';
  const { model, out } = values;
  if (!model) throw missing('--model');
  if (!out) throw missing('--out');
  const [text, tokens] = [values.text ?? [], values.tokens ?? []];
  if (text.length + tokens.length === 0) throw missing('--text');
  const given = {
    ...number('steps', values.steps),
    ...number('positions', values.positions),
    ...(values.bits ? { bits: Number(values.bits) as TrainOptions['bits'] } : {}),
    ...number('queryBits', values['query-bits']),
    ...number('rate', values.rate),
    ...number('lastRate', values['last-rate']),
    ...number('warmUp', values['warm-up']),
    ...number('firstScale', values['first-scale']),
    ...number('repeatEvery', values['repeat-every']),
    ...number('factsEvery', values['facts-every']),
    ...number('sink', values.sink),
    ...number('window', values.window),
    ...number('seed', values.seed),
    ...(values['layer-budgets']
      ? { layerBudgets: values['layer-budgets'] as TrainOptions['layerBudgets'] }
      : {}),
    ...(values.hidden ? { hidden: values.hidden === 'none' ? [] : numbers(values.hidden) } : {}),
    ...(values.lengths ? { lengths: numbers(values.lengths) } : {}),
    // what is wrong with these, completeTrainOptions says
    ...(values.beta ? { beta: numbers(values.beta) as [number, number] } : {}),
    ...(values.loss ? { loss: values.loss as TrainOptions['loss'] } : {}),
    ...(values.score ? { score: values.score as TrainOptions['score'] } : {}),
    ...(values.sharing ? { sharing: values.sharing as TrainOptions['sharing'] } : {}),
  };
  if (values.recipe && values.recipe !== 'published') throw wrong('--recipe', values.recipe, 'published');
  const recipe = values.recipe ? publishedTrainOptions : {};
  const weights = (['stored', 'f16', 'q8', 'q4'] as const).find(
    (kind) => kind === (values.weights ?? 'stored'),
  );
  if (!weights) throw wrong('--weights', String(values.weights), 'stored, f16, q8 or q4');
  return {
    ...{ model, text, tokens, out, weights, resume: values.resume ?? false, from: values.from ?? null },
    checkpoint: values.checkpoint ?? `${out}.checkpoint`,
    checkpointEvery: Number(values['checkpoint-every'] ?? 100),
    measureEvery: Number(values['measure-every'] ?? 100),
    stopAfter: values['stop-after'] === undefined ? null : Number(values['stop-after']),
    options: (trainedContext) => {
      const options = completeTrainOptions({ ...recipe, ...given });
      if (values.lengths) return options;
      const lengths = options.lengths.map((length) => Math.min(length, trainedContext));
      return completeTrainOptions({ ...options, lengths });
    },
  };
}

function readArguments(argv: readonly string[]) {
  const one = { type: 'string' } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        ...{ model: one, out: one, from: one, checkpoint: one, weights: one, recipe: one },
        ...{ steps: one, lengths: one, positions: one, bits: one, hidden: one, loss: one, score: one },
        ...{ sharing: one, 'query-bits': one, rate: one, 'last-rate': one, 'warm-up': one, beta: one },
        ...{ 'first-scale': one, 'repeat-every': one, 'facts-every': one, sink: one, window: one, seed: one },
        'layer-budgets': one,
        ...{ 'checkpoint-every': one, 'measure-every': one, 'stop-after': one },
        text: { type: 'string', multiple: true },
        tokens: { type: 'string', multiple: true },
        resume: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError('invalid-request', `${reason} See --help.`, { cause });
  }
}

function number<K extends keyof TrainOptions>(name: K, text: string | undefined): { [name in K]?: number } {
  return text === undefined ? {} : ({ [name]: Number(text) } as { [name in K]: number });
}

function numbers(text: string): number[] {
  return text.split(',').map(Number);
}

function missing(name: string): AppError {
  return new AppError('invalid-request', `${name} is missing. See --help.`);
}

function wrong(name: string, got: string, expected: string): AppError {
  return new AppError('invalid-request', `${name}: expected ${expected}; got ${got}.`);
}
