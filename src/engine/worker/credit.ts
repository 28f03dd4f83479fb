/** Back-pressure: how many items the reader still has room for. */

export class Credit {
  #items = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  add(items: number): void {
    this.#items += items;
    this.#wake?.();
  }

  /** The reader left: every `take` answers false from now on. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** Waits until there is room for an item, and takes it; false once the reader has left. One taker at a time. */
  async take(): Promise<boolean> {
    while (this.#items === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#items -= 1;
    return !this.#closed;
  }
}
