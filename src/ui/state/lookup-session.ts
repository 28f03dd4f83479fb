/** Looking into steps of the conversation, held or being written. */
import { type ReadonlySignal, signal } from '@preact/signals';
import { AppError, type Engine, type Probe } from '../../engine/index.ts';
import { type Fault, faultFrom } from './fault.ts';

/** `last`: what was shown before, so that the reader keeps it in view while another step is looked into. */
export type LookupState =
  | { readonly kind: 'none' }
  | { readonly kind: 'looking'; readonly last: Probe | null }
  | { readonly kind: 'shown'; readonly probe: Probe }
  | { readonly kind: 'failed'; readonly fault: Fault };

export interface LookupSession {
  readonly state: ReadonlySignal<LookupState>;
  /** Whether the newest step is looked into again and again, as an answer is being written. */
  readonly isFollowing: ReadonlySignal<boolean>;
  /** Looks into the step at a position of the context; a newer wish replaces it. Never rejects. */
  look(position: number): Promise<void>;
  /** Looks into the newest step; while an answer is written, again and again, until it has ended or there is a newer wish.
   *  Never rejects. */
  follow(): Promise<void>;
  /** Forgets what was shown. */
  close(): void;
}

/** Least pause between two looks, in milliseconds. A pause is no shorter than the look before it, so that the answer gets
 *  at least half of the time. */
const leastPause = 1000;

/** What there is to show, be it of the step before. */
export function shownIn(state: LookupState): Probe | null {
  if (state.kind === 'shown') return state.probe;
  return state.kind === 'looking' ? state.last : null;
}

/** engine: the loaded one, or null while none is ready. isWriting: whether an answer is being written. */
export function createLookupSession(
  engine: () => Pick<Engine, 'probe'> | null,
  isWriting: () => boolean,
): LookupSession {
  const state = signal<LookupState>({ kind: 'none' });
  const isFollowing = signal(false);
  let wish = new AbortController();

  function begin(): AbortController {
    wish.abort();
    wish = new AbortController();
    isFollowing.value = false;
    return wish;
  }

  /** Whether the step is shown, and nothing else is wished for. */
  async function show(attempt: AbortController, where: { readonly position?: number }): Promise<boolean> {
    state.value = { kind: 'looking', last: shownIn(state.peek()) };
    let next: LookupState;
    try {
      const ready = engine();
      if (!ready) throw new AppError('invalid-request', 'No model is loaded.');
      next = { kind: 'shown', probe: await ready.probe({ ...where, signal: attempt.signal }) };
    } catch (error) {
      next = { kind: 'failed', fault: faultFrom(error) };
    }
    if (wish !== attempt) return false;
    state.value = next;
    return next.kind === 'shown';
  }

  return {
    state,
    isFollowing,
    async look(position) {
      await show(begin(), { position });
    },
    async follow() {
      const attempt = begin();
      do {
        isFollowing.value = isWriting(); // asked before the look: the last one comes after the answer's end
        const started = performance.now();
        const isShown = await show(attempt, {});
        if (wish !== attempt) return;
        if (!isShown) isFollowing.value = false;
        if (!isFollowing.peek()) return;
        await pause(Math.max(leastPause, performance.now() - started));
      } while (wish === attempt);
    },
    close() {
      begin();
      state.value = { kind: 'none' };
    },
  };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
