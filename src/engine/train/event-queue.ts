/** What is pushed by a callback, read as an iteration. */

export class EventQueue<T> implements AsyncIterable<T> {
  readonly #events: T[] = [];
  #end: Promise<unknown> | undefined;
  #isOver = false;
  #wake: () => void = () => {};

  push(event: T): void {
    this.#events.push(event);
    this.#wake();
  }

  /** The iteration ends, or rejects, as this does, after all events pushed before. */
  endWith(end: Promise<unknown>): void {
    this.#end = end;
    const over = (): void => {
      this.#isOver = true;
      this.#wake();
    };
    end.then(over, over);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#events.length > 0) yield this.#events.shift()!;
      if (this.#isOver) break;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    await this.#end;
  }
}
