/** What follows from the KV cache token by token and is kept beside it, per layer: signatures of keys, sums of keys and
 *  values. Whatever is missing is made from the cache in bulk. */
import { Arena } from '../../kernels/runtime/arena.ts';
import { type Dispatch, submitDispatches } from '../../kernels/runtime/dispatch.ts';
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { type BufferSlice, byteLengthOf, type DType, type Tensor } from '../../kernels/runtime/tensor.ts';
import { allocating } from '../memory/allocating.ts';
import type { LayerCache } from '../network/kv-cache.ts';

/** As much of the KV cache as attention needs: its buffers, which are replaced when it grows. */
export interface CachedLayers {
  readonly capacity: number;
  layer(index: number): LayerCache;
}

/** One thing derived from the cache. */
export interface Derived {
  /** In the plural, e.g. "signatures". */
  readonly name: string;
  readonly dtype: DType;
  /** [heads, entries, …]. */
  shape(capacity: number): readonly number[];
  /** Tokens that share an entry: when the cache is cut back, entries that may hold tokens beyond are made again. */
  readonly tokensPerEntry: number;
  /** Makes the entries of `rows` cached tokens from step.position on. */
  make(
    arena: Arena,
    args: {
      readonly label: string;
      readonly layer: number;
      readonly step: BufferSlice;
      readonly rows: number;
      readonly cache: LayerCache;
      readonly capacity: number;
      readonly out: Tensor;
    },
  ): Dispatch;
}

/** Tokens taken by one dispatch. */
const rowsAtOnce = 4096;

interface Kept {
  readonly derived: Derived;
  readonly tensors: ReadonlyMap<number, Tensor>;
  /** Tokens from position 0 on whose entries are right. */
  done: number;
}

export class DerivedCaches {
  readonly #gpu: Gpu;
  readonly #cache: CachedLayers;
  readonly #layers: readonly number[];
  readonly #derived: readonly Derived[];
  readonly #arena: Arena;
  #kept: Kept[] = [];
  #capacity = 0;

  /** Allocates nothing yet. */
  constructor(gpu: Gpu, cache: CachedLayers, layers: readonly number[], derived: readonly Derived[]) {
    this.#gpu = gpu;
    this.#cache = cache;
    this.#layers = layers;
    this.#derived = derived;
    this.#arena = new Arena(gpu);
  }

  get byteLength(): number {
    return this.#arena.byteLength;
  }

  tensor(derived: Derived, layer: number): Tensor {
    return this.#kept.find((kept) => kept.derived === derived)!.tensors.get(layer)!;
  }

  /** Makes what is missing of the first `tokens` cached tokens, for the cache's present capacity; dispatches already
   *  submitted may still be writing those tokens. Returns whether buffers were replaced.
   *  @throws AppError "out-of-memory"; nothing is then allocated. */
  async catchUp(tokens: number): Promise<boolean> {
    const isStale = this.#capacity !== this.#cache.capacity;
    if (isStale) await this.#allocate();
    const arena = new Arena(this.#gpu);
    for (const kept of this.#kept) {
      for (let from = kept.done; from < tokens; from += rowsAtOnce) {
        submitDispatches(this.#gpu, this.#make(arena, kept, from, Math.min(rowsAtOnce, tokens - from)));
      }
      kept.done = Math.max(kept.done, tokens);
    }
    arena.dispose();
    return isStale;
  }

  /** Steps up to this many tokens have been submitted: they make their own entries. */
  advance(tokens: number): void {
    for (const kept of this.#kept) kept.done = tokens;
  }

  /** The cache was cut back to `tokens`, and steps beyond may have written to the entries they share. */
  truncate(tokens: number): void {
    for (const kept of this.#kept) {
      const { tokensPerEntry } = kept.derived;
      kept.done = Math.min(kept.done, Math.floor(tokens / tokensPerEntry) * tokensPerEntry);
    }
  }

  /** For running the step at `position` again, as if no later one had been: copies aside the entries that it writes to, which
   *  `catchUp` then makes anew. The function returned puts all back as it was; where buffers were replaced, what follows from
   *  `position` on is made anew when next needed. `arena` holds the copies. */
  keepAside(arena: Arena, position: number): () => void {
    const kept = this.#capacity === this.#cache.capacity ? this.#kept : [];
    const done = kept.map((each) => each.done);
    const entries = kept.flatMap((each) => entriesOf(each, position));
    const bytes = entries.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const aside = arena.buffer('derived.aside', bytes);
    const copy = (way: 'aside' | 'back'): void => {
      const encoder = this.#gpu.device.createCommandEncoder();
      let at = 0;
      for (const { buffer, offset, byteLength } of entries) {
        if (way === 'aside') encoder.copyBufferToBuffer(buffer, offset, aside, at, byteLength);
        else encoder.copyBufferToBuffer(aside, at, buffer, offset, byteLength);
        at += byteLength;
      }
      this.#gpu.device.queue.submit([encoder.finish()]);
    };
    copy('aside');
    this.truncate(position);
    return () => {
      if (kept !== this.#kept) return this.truncate(position);
      copy('back');
      kept.forEach((each, i) => {
        each.done = done[i]!;
      });
    };
  }

  dispose(): void {
    this.#arena.dispose();
    this.#kept = [];
    this.#capacity = 0;
  }

  async #allocate(): Promise<void> {
    this.dispose();
    const { capacity } = this.#cache;
    const names = this.#derived.map(({ name }) => name).join(' and ');
    const bytes = this.#derived.reduce(
      (sum, { dtype, shape }) => sum + this.#layers.length * byteLengthOf(dtype, shape(capacity)),
      0,
    );
    try {
      this.#kept = await allocating(this.#gpu, `${names} of ${capacity} tokens`, bytes, () =>
        this.#derived.map((derived) => ({ derived, tensors: this.#tensorsOf(derived, capacity), done: 0 })),
      );
      this.#capacity = capacity;
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #tensorsOf({ name, dtype, shape }: Derived, capacity: number): Map<number, Tensor> {
    return new Map(
      this.#layers.map((layer) => [
        layer,
        this.#arena.tensor(`layer[${layer}].${name}`, dtype, shape(capacity)),
      ]),
    );
  }

  #make(arena: Arena, { derived, tensors }: Kept, position: number, rows: number): Dispatch[] {
    const step = {
      buffer: arena.uniform(`${derived.name}.step`, Uint32Array.of(position, rows, 0, 0).buffer),
    };
    return this.#layers.map((layer) =>
      derived.make(arena, {
        label: `layer[${layer}].${derived.name}`,
        layer,
        step,
        rows,
        cache: this.#cache.layer(layer),
        capacity: this.#cache.capacity,
        out: tensors.get(layer)!,
      }),
    );
  }
}

/** Where the token at `position` enters, in every layer and head. */
function entriesOf({ derived, tensors }: Kept, position: number) {
  const entry = Math.floor(position / derived.tokensPerEntry);
  return [...tensors.values()].flatMap(({ buffer, dtype, shape: [heads = 0, entries = 0, ...rest] }) => {
    const byteLength = byteLengthOf(dtype, rest);
    return Array.from({ length: heads }, (_, head) => ({
      buffer,
      offset: (head * entries + entry) * byteLength,
      byteLength,
    }));
  });
}
