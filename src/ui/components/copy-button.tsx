import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { useApp } from '../state/app-state.ts';
import { Icon } from './icon.tsx';

/** Copies a text to the clipboard and says so for a moment.
 *  what: completes the name "Copy …" for screen readers, e.g. "answer". */
export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const { announce } = useApp();
  const result = useSignal<'none' | 'copied' | 'refused'>('none');
  const state = result.value;

  useEffect(() => {
    if (state === 'none') return;
    const timer = setTimeout(() => {
      result.value = 'none';
    }, 1500);
    return () => clearTimeout(timer);
  }, [state]);

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      result.value = 'copied';
      announce('Copied.');
    } catch {
      result.value = 'refused';
      announce('The browser refused access to the clipboard.');
    }
  }

  return (
    <button type="button" class="quiet" onClick={copy} aria-label={`Copy ${what}`}>
      <Icon name={state === 'copied' ? 'done' : 'copy'} />
      <span>{state === 'copied' ? 'Copied' : state === 'refused' ? 'Not allowed' : 'Copy'}</span>
    </button>
  );
}
