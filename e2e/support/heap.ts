/** JavaScript memory of the page and its workers, as the browser's own tools report it. */
import type { CDPSession, Page } from 'playwright/test';

interface HeapUsage {
  readonly usedSize: number;
  /** Array buffers, which lie beside the heap. */
  readonly backingStorageSize: number;
}

export interface PeakHeap {
  /** Largest sum of all heaps. */
  readonly bytes: number;
  /** Figures that workers gave, and the longest wait between two. */
  readonly workerSamples: number;
  readonly longestGapMs: number;
}

/** Samples while `action` runs. */
export async function peakHeap(page: Page, action: () => Promise<void>): Promise<PeakHeap> {
  const session = await page.context().newCDPSession(page);
  const workers = new Map<string, WorkerHeap>();
  let isRunning = true;
  let bytes = 0;
  let workerSamples = 0;
  let lastSample = 0;
  let longestGapMs = 0;
  session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
    if (targetInfo.type === 'worker') workers.set(sessionId, new WorkerHeap(session, sessionId));
  });
  session.on('Target.detachedFromTarget', ({ sessionId }) => workers.delete(sessionId));
  session.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
    if (!workers.get(sessionId)?.receive(message)) return;
    const now = performance.now();
    if (workerSamples++ > 0) longestGapMs = Math.max(longestGapMs, now - lastSample);
    lastSample = now;
  });
  await session.send('Target.setAutoAttach', {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: false,
  });
  const sampling = (async () => {
    while (isRunning) {
      const page = (await session.send('Runtime.getHeapUsage')) as HeapUsage;
      const ofWorkers = [...workers.values()].map((worker) => worker.latest);
      for (const worker of workers.values()) worker.ask();
      bytes = Math.max(bytes, sizeOf(page) + ofWorkers.reduce((sum, heap) => sum + heap, 0));
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  })();
  try {
    await action();
  } finally {
    isRunning = false;
    await sampling;
  }
  await session.detach();
  return { bytes, workerSamples, longestGapMs };
}

/** One worker's latest figure; answers come when the worker has a moment. */
class WorkerHeap {
  latest = 0;
  readonly #session: CDPSession;
  readonly #id: string;
  #asked = 0;
  #answered = 0;

  constructor(session: CDPSession, id: string) {
    this.#session = session;
    this.#id = id;
  }

  ask(): void {
    if (this.#asked > this.#answered) return;
    const message = JSON.stringify({ id: ++this.#asked, method: 'Runtime.getHeapUsage' });
    // A worker that has just ended cannot be asked.
    this.#session.send('Target.sendMessageToTarget', { sessionId: this.#id, message }).catch(() => undefined);
  }

  /** Whether the message is a figure. */
  receive(message: string): boolean {
    const { id, result } = JSON.parse(message) as { id?: number; result?: HeapUsage };
    if (id === undefined || !result) return false;
    this.#answered = id;
    this.latest = sizeOf(result);
    return true;
  }
}

function sizeOf({ usedSize, backingStorageSize }: HeapUsage): number {
  return usedSize + (backingStorageSize ?? 0);
}
