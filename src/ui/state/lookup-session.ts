/** Looking into steps of the conversation just held. */
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
  /** Looks into the step at a position of the context, the last one unless told; a newer wish replaces it. Never rejects. */
  look(position?: number): Promise<void>;
  /** Forgets what was shown. */
  close(): void;
}

/** What there is to show, be it of the step before. */
export function shownIn(state: LookupState): Probe | null {
  if (state.kind === 'shown') return state.probe;
  return state.kind === 'looking' ? state.last : null;
}

/** engine: the loaded one, or null while none is ready. */
export function createLookupSession(engine: () => Pick<Engine, 'probe'> | null): LookupSession {
  const state = signal<LookupState>({ kind: 'none' });
  let looking = new AbortController();

  return {
    state,
    async look(position) {
      looking.abort();
      const attempt = new AbortController();
      looking = attempt;
      state.value = { kind: 'looking', last: shownIn(state.peek()) };
      let next: LookupState;
      try {
        const ready = engine();
        if (!ready) throw new AppError('invalid-request', 'No model is loaded.');
        const where = position === undefined ? {} : { position };
        next = { kind: 'shown', probe: await ready.probe({ ...where, signal: attempt.signal }) };
      } catch (error) {
        next = { kind: 'failed', fault: faultFrom(error) };
      }
      if (looking === attempt) state.value = next;
    },
    close() {
      looking.abort();
      looking = new AbortController();
      state.value = { kind: 'none' };
    },
  };
}
