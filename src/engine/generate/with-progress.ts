/** Work that is read as a stream of its progress, and does not wait for its reader. */

/** Yields what `work` reports and returns what it gives. It goes on while nobody asks, so that the reader may wait for
 *  something that comes after it; a reader that leaves fires the signal given to it.
 *  @throws what the work throws */
export async function* withProgress<P, T>(
  work: (report: (progress: P) => void, left: AbortSignal) => Promise<T>,
): AsyncGenerator<P, T, undefined> {
  const left = new AbortController();
  const unread: P[] = [];
  let isDone = false;
  let wake = (): void => {};
  const report = (progress: P): void => {
    unread.push(progress);
    wake();
  };
  const working = work(report, left.signal).finally(() => {
    isDone = true;
    wake();
  });
  working.catch(() => undefined); // thrown to the reader below, who may come late
  try {
    for (;;) {
      while (unread.length > 0) yield unread.shift()!;
      if (isDone) return await working;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    left.abort();
    await working.catch(() => undefined);
  }
}
