/** The whole engine in the calling thread: files → plan → device → tokens → text. */
import { AppError } from '../errors.ts';
import type { Gpu } from '../kernels/runtime/gpu.ts';
import { parseChatTemplate } from '../model/chat-template.ts';
import { createTokenizer, type Tokenizer } from '../model/tokenizer.ts';
import type { Engine, EngineOptions, MemoryPlan } from './api.ts';
import { checkAttention } from './attention/check-attention.ts';
import type { CrossoverRecord } from './attention/crossover-record.ts';
import type { LearnedMaps } from './attention/learned-maps.ts';
import { type OpenedModel, openModel } from './load/open-model.ts';
import { openEngineGpu, openSession, planSession } from './open-session.ts';
import { RecoveringTokenEngine } from './recovering-token-engine.ts';
import { openSource } from './source/open-source.ts';
import { createTextEngine } from './text-engine.ts';

/** @throws AppError for every fault of files, network, device or options, before or while loading. */
export async function createLocalEngine(options: EngineOptions): Promise<Engine> {
  options.onProgress?.({
    stage: 'config',
    loadedBytes: 0,
    totalBytes: 0,
    fromStorageBytes: 0,
    bytesPerSecond: 0,
  });
  const model = await openFiles(options);
  const attention = options.attention ?? { mode: 'dense' };
  try {
    await checkAttention(attention, model.config.layers);
    const { tokenizer, template } = createTextSide(model);
    const gpu = await openEngineGpu();
    const crossovers: CrossoverRecord = new Map();
    const learned: LearnedMaps = { folder: model.source.folder ?? null };
    const { first, plan } = await startOn(gpu, model, { ...options, crossovers, learned });
    first.setAttention(attention);
    const tokens = new RecoveringTokenEngine(first, attention, {
      reopen: async () => {
        const again = await openEngineGpu();
        return (await startOn(again, model, { ...withoutSignal(options), crossovers, learned })).first;
      },
      onStatus: (status) => options.onStatus?.(status),
    });
    const endTokens = [...new Set([...model.config.eosTokenIds, ...model.generationConfig.eosTokenIds])];
    options.onProgress?.({
      stage: 'ready',
      loadedBytes: plan.downloadBytes,
      totalBytes: plan.downloadBytes,
      fromStorageBytes: model.source.traffic().storageBytes,
      bytesPerSecond: 0,
    });
    return createTextEngine({
      tokens,
      learned,
      model: {
        name: model.source.name,
        modelType: plan.modelType,
        parameters: plan.parameters,
        vocab: model.config.vocab,
        layers: model.config.layers,
      },
      plan,
      endTokens,
      encode: (text, { addSpecialTokens }) => tokenizer.encode(text, { addSpecialTokens }),
      decode: (ids) => tokenizer.decode(ids, { skipSpecialTokens: false }),
      tokenBytes: (token) => tokenizer.tokenBytes(token),
      createTextStream: (textOptions) => tokenizer.textStream(textOptions),
      renderChat: template ? (messages) => template.render(messages) : null,
      samplingDefaults: model.generationConfig.sampling,
    });
  } finally {
    model.source.close();
  }
}

/** What `createLocalEngine` would take with these options; downloads small files and headers only. */
export async function planLocalModel(options: EngineOptions): Promise<MemoryPlan> {
  const model = await openFiles(options);
  const gpu = await openEngineGpu();
  try {
    return planSession(gpu, model, options).memory;
  } finally {
    gpu.dispose();
    model.source.close();
  }
}

async function openFiles(options: EngineOptions): Promise<OpenedModel> {
  const { model, revision, accessToken, useStorage, signal } = options;
  const source = await openSource(model, {
    revision,
    accessToken,
    useStorage,
    signal,
    onWaiting: (reason) => options.onStatus?.({ kind: 'waiting', reason }),
    onWarning: ({ code, message }) => options.onStatus?.({ kind: 'warning', warning: { code, message } }),
  });
  try {
    return await openModel(source, { signal });
  } catch (error) {
    source.close();
    throw error;
  }
}

function createTextSide(model: OpenedModel): {
  tokenizer: Tokenizer;
  template: ReturnType<typeof parseChatTemplate>;
} {
  if (!model.tokenizer) {
    throw new AppError(
      'model-unsupported',
      `${model.source.name} has no tokenizer.json, so text cannot become tokens. Choose a repository that has one.`,
      { details: { file: 'tokenizer.json' } },
    );
  }
  const { tokenizerJson, tokenizerConfig, chatTemplate } = model.tokenizer;
  return {
    tokenizer: createTokenizer(tokenizerJson, tokenizerConfig ?? {}),
    template: parseChatTemplate({ tokenizerConfig: tokenizerConfig ?? {}, jinja: chatTemplate }),
  };
}

async function startOn(
  gpu: Gpu,
  model: OpenedModel,
  options: EngineOptions & { readonly crossovers: CrossoverRecord; readonly learned: LearnedMaps },
) {
  try {
    const plan = planSession(gpu, model, options);
    const first = await openSession(gpu, model, plan, options);
    return { first, plan: plan.memory };
  } catch (error) {
    gpu.dispose();
    throw error;
  } finally {
    model.source.close();
  }
}

/** The signal stops the load it was given for, not a recovery long after. */
function withoutSignal({ signal: _, onProgress: __, ...options }: EngineOptions): EngineOptions {
  return options;
}
