/** The engine's public door: the only file the page may import. */
import type { Engine, EngineOptions, MemoryPlan } from './api.ts';
import { checkEngineOptions } from './check-engine-options.ts';

export { AppError, type AppErrorCode } from '../errors.ts';
export type * from './api.ts';
export type * from './chat/chat-types.ts';
export type * from './probe/probe-types.ts';
export { sourceHost } from './source/source-host.ts';
export { deleteStoredModel, listStoredModels, type StoredModel } from './source/storage/stored-model.ts';
export { type LearningSize, learningDefaults, shortestSequence } from './train/learning-defaults.ts';
export type * from './train/train-types.ts';
export { createEngine, planModel } from './worker/client.ts';

/** `createEngine` without a worker, in the calling thread: for Node, and for callers that have their own worker. */
export async function createLocalEngine(options: EngineOptions): Promise<Engine> {
  checkEngineOptions(options);
  return (await import('./local-engine.ts')).createLocalEngine(options);
}

/** `planModel` without a worker. */
export async function planLocalModel(options: EngineOptions): Promise<MemoryPlan> {
  checkEngineOptions(options);
  return (await import('./local-engine.ts')).planLocalModel(options);
}
