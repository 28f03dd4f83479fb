/** Opens the engine's worker and hands out the engine, or only the memory plan. */
import { AppError } from '../../errors.ts';
import type { Engine, EngineOptions, MemoryPlan } from '../api.ts';
import { checkEngineOptions } from '../check-engine-options.ts';
import { explicitReference } from '../source/reference.ts';
import { Connection, type Notices } from './connection.ts';
import { inDownloadTurn } from './download-turn.ts';
import type { FromWorker } from './protocol.ts';
import { createRemoteEngine } from './remote-engine.ts';

/** How long a worker may take to put things in order before it is ended. */
const farewellMs = 1000;

/** Loads a model in a dedicated worker.
 *  @throws AppError for whatever keeps it from loading; "aborted" when `options.signal` fires. */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { onProgress, onStatus, signal, ...plain } = forWorker(options);
  const { connection, close } = openWorker({ onProgress, onStatus });
  try {
    const loaded = await inDownloadTurn(options, () => connection.call('load', plain, signal));
    return createRemoteEngine(connection, loaded, close);
  } catch (error) {
    void close();
    throw error;
  }
}

/** What loading would take on this device; reads small files and weight headers only, so it waits for no download.
 *  @throws AppError for whatever keeps the model from being understood. */
export async function planModel(options: EngineOptions): Promise<MemoryPlan> {
  const { onProgress: _, onStatus, signal, ...plain } = forWorker(options);
  const { connection, close } = openWorker({ onStatus });
  try {
    return await connection.call('plan', plain, signal);
  } finally {
    void close();
  }
}

/** Relative addresses mean the caller's page; in the worker they would mean the worker's script. */
function forWorker(options: EngineOptions): EngineOptions {
  checkEngineOptions(options);
  return { ...options, model: explicitReference(options.model, globalThis.location?.href) };
}

interface OpenWorker {
  readonly connection: Connection;
  /** Lets the worker free what it holds, then ends it; requests still under way reject. */
  readonly close: () => Promise<void>;
}

function openWorker(notices: Notices): OpenWorker {
  if (typeof Worker === 'undefined') {
    throw new AppError(
      'feature-missing',
      'There are no web workers here. Use createLocalEngine, which runs in the calling thread.',
    );
  }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'engine' });
  const connection = new Connection((message) => worker.postMessage(message), notices);
  const crash = (reason: string): void => {
    const message = `The engine's worker failed: ${reason}. Reload the page; the conversation is not affected.`;
    connection.fail(new AppError('internal', message));
    worker.terminate();
    notices.onStatus?.({ kind: 'failed', error: { code: 'internal', message } });
  };
  worker.addEventListener('message', (event: MessageEvent<FromWorker>) => connection.receive(event.data));
  worker.addEventListener('messageerror', () => crash('a message could not be read'));
  worker.addEventListener('error', (event) => {
    // A script that cannot be loaded gives an event without a message.
    crash(event.message ? `${event.message} (${event.filename}:${event.lineno})` : 'it could not be started');
  });
  const close = async (): Promise<void> => {
    await Promise.race([connection.call('dispose', null).catch(() => {}), delay(farewellMs)]);
    worker.terminate();
    connection.fail(new AppError('aborted', 'The engine has been disposed; create a new one.'));
  };
  return { connection, close };
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
