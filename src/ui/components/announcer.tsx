import { useApp } from '../state/app-state.ts';

/** Reads sentences out to screen readers, one at a time: finished answers, not their tokens. */
export function Announcer() {
  const { announcement } = useApp();
  return (
    <p class="visually-hidden" role="status" aria-live="polite">
      {announcement}
    </p>
  );
}
