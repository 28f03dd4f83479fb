/** Entry of the dedicated worker. The engine is imported on the first request, so that a failure to load it
 *  reaches the page as an answer. */
import type { FromWorker, ToWorker } from './protocol.ts';
import { serveEngine } from './serve.ts';

const scope = self as unknown as DedicatedWorkerGlobalScope;
const receive = serveEngine(
  (message: FromWorker) => scope.postMessage(message),
  () => import('../local-engine.ts'),
);
scope.addEventListener('message', (event: MessageEvent<ToWorker>) => receive(event.data));
