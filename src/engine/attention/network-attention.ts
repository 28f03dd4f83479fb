/** Which policy each layer of a network has at which step: dense, or the sparse one that is wanted. */
import { AppError } from '../../errors.ts';
import { type Attend, prepareAttend } from '../../kernels/attend/attend.ts';
import type { Arena } from '../../kernels/runtime/arena.ts';
import type {
  AttentionFacts,
  AttentionOptions,
  HashAttentionOptions,
  SparseAttentionOptions,
} from '../api.ts';
import { loadPart } from '../load-part.ts';
import { Arrival } from './arrival.ts';
import type { AttentionPolicy } from './attention-policy.ts';
import { isAutomatic, isMeasuredBeside, leastCrossover, stepsBefore } from './automatic.ts';
import { denseAttention } from './dense.ts';
import type { SparseAttention } from './sparse-attention.ts';
import type { SparseAttentions, SparseAttentionsParts } from './sparse-attentions.ts';

type OnDemand = typeof import('../on-demand.ts');

export class NetworkAttention {
  readonly #parts: SparseAttentionsParts;
  readonly #attend: Attend;
  readonly #arriving: Arrival<OnDemand>;
  #wanted: AttentionOptions = { mode: 'dense' };
  /** Those that the steps chosen last follow: others may be wanted by now. */
  #chosen: AttentionOptions = this.#wanted;
  /** Options that there was no memory for. */
  #refused: AttentionOptions | undefined;
  #sparse: SparseAttentions | undefined;
  /** The sparse policy opened last, kept right for the cache even while steps attend densely. */
  opened: SparseAttention | undefined;
  /** What the steps chosen last attend with; undefined: dense. */
  #active: SparseAttention | undefined;

  static async create(parts: SparseAttentionsParts): Promise<NetworkAttention> {
    const { headDim, qHeads, kvHeads } = parts.config;
    return new NetworkAttention(parts, await prepareAttend(parts.gpu, { headDim, group: qHeads / kvHeads }));
  }

  private constructor(parts: SparseAttentionsParts, attend: Attend) {
    this.#parts = parts;
    this.#attend = attend;
    this.#arriving = new Arrival({
      fetch: onDemand,
      onFailure: (error) => parts.onWithout(error),
    });
  }

  /** Holds from the next steps chosen. Where the options choose what they chose before, nothing is made anew. */
  set(options: AttentionOptions): void {
    this.#wanted = options;
    if (isAutomatic(options) && isMeasuredBeside(this.#parts.gpu.traits)) void this.#foresee(options);
  }

  /** Chooses the policies of the steps from `position` on. Returns how many of `most` steps have the same ones, and
   *  whether they differ from those of the steps before.
   *  Automatic attention waits for nothing that comes over a network: steps are dense until it is there.
   *  @throws AppError "invalid-request" for attention options; where they are not automatic, what reading signature maps
   *  throws. */
  async choose(position: number, most: number): Promise<{ count: number; isChanged: boolean }> {
    const wanted = this.#wanted;
    this.#chosen = wanted;
    const isDense = wanted.mode === 'dense' || wanted === this.#refused;
    const denseSteps = isDense ? most : await this.#denseSteps(wanted, position, most);
    const active = denseSteps > 0 ? undefined : this.opened;
    const isChanged = active !== this.#active;
    this.#active = active;
    return { count: active ? most : Math.min(most, denseSteps), isChanged };
  }

  /** Makes what the chosen policy keeps beside the cache right for `count` steps from `position` on. Returns whether
   *  buffers were replaced.
   *  @throws AppError "out-of-memory". */
  async catchUp(position: number, count: number): Promise<boolean> {
    const isStale = (await this.#active?.catchUp(position)) ?? false;
    this.#active?.advance(position + count);
    return isStale;
  }

  /** After `catchUp` threw: whether steps chosen anew do without, as automatic ones do where memory is short. */
  giveWay(error: unknown): boolean {
    const isShort = error instanceof AppError && error.code === 'out-of-memory';
    if (!isShort || !isAutomatic(this.#chosen)) return false;
    this.#refused = this.#chosen;
    this.#parts.onWithout(error);
    return true;
  }

  /** The cache was cut back to `tokens`. */
  truncate(tokens: number): void {
    this.opened?.truncate(tokens);
  }

  /** One policy per layer, for the cache's present buffers; what layers share lives in `arena`. */
  policies(arena: Arena): readonly AttentionPolicy[] {
    const { config, cache } = this.#parts;
    const { kvHeads, headDim, layers } = config;
    const attend = this.#attend;
    const splits = attend.splitsFor(cache.capacity, kvHeads);
    const partials = arena.tensor('attention.partials', 'f32', attend.partialsShape(kvHeads, splits));
    const dense = denseAttention({ attend, partials, kvHeads, headDim, splits });
    const sparse = this.#active?.policy(arena);
    const denseLayers = this.#active?.choices.denseLayers ?? [];
    return Array.from({ length: layers }, (_, index) =>
      sparse && !denseLayers.includes(index) ? sparse : dense,
    );
  }

  /** Bytes of signature maps, and of what is kept beside the cache. */
  memory(): { readonly mapBytes: number; readonly besideCacheBytes: number } {
    return { mapBytes: this.#sparse?.mapBytes ?? 0, besideCacheBytes: this.opened?.byteLength ?? 0 };
  }

  dispose(): void {
    this.#sparse?.dispose();
  }

  /** Maps and what they made are forgotten; sparse steps to come open them anew. */
  forgetMaps(): void {
    this.dispose();
    this.#sparse = this.opened = this.#active = this.#refused = undefined;
  }

  /** Loads and compiles what HashAttention needs; may run beside a generation. */
  async prepareSparse(): Promise<void> {
    await (await this.#sparseAttentions()).prepare(this.#hashOptions());
  }

  /** Not while a generation runs: it may have to time steps. */
  async facts(): Promise<AttentionFacts> {
    return (await this.#sparseAttentions()).facts(this.#hashOptions());
  }

  #hashOptions(): HashAttentionOptions {
    return this.#wanted.mode === 'hash' ? this.#wanted : { mode: 'hash' };
  }

  /** Steps from `position` on that attend densely because the context is short, or what sparse ones need is not there.
   *  Nothing is loaded before it is long enough. */
  async #denseSteps(wanted: SparseAttentionOptions, position: number, most: number): Promise<number> {
    const automatic = isAutomatic(wanted);
    const before = stepsBefore(automatic ? leastCrossover(wanted) : (wanted.denseBelow ?? 0), position);
    if (before > 0) return before;
    const part = automatic ? this.#arriving.get() : await onDemand();
    if (!part) return most;
    const sparse = this.#sparseOf(part);
    if (automatic) {
      const denseSteps = await sparse.denseSteps(wanted, position, most);
      if (denseSteps > 0) return denseSteps;
    }
    this.opened = await sparse.open(wanted);
    return 0;
  }

  async #foresee(options: HashAttentionOptions): Promise<void> {
    const part = await onDemand().catch(() => undefined); // asked for again where it is wanted
    if (part) await this.#sparseOf(part).foresee(options);
  }

  async #sparseAttentions(): Promise<SparseAttentions> {
    return this.#sparseOf(await onDemand());
  }

  #sparseOf({ SparseAttentions }: OnDemand): SparseAttentions {
    this.#sparse ??= new SparseAttentions(this.#parts);
    return this.#sparse;
  }
}

function onDemand(): Promise<OnDemand> {
  return loadPart(import('../on-demand.ts'));
}
