/** A signal kept in the browser's local storage. Reading and writing may both be forbidden: then it is only a signal. */
import { effect, type Signal, signal } from '@preact/signals';

export function persistedSignal<T>(key: string, parse: (stored: unknown) => T): Signal<T> {
  const value = signal(parse(read(key)));
  effect(() => {
    const text = JSON.stringify(value.value);
    try {
      localStorage.setItem(key, text);
    } catch {
      // Storage is full or refused: settings then last as long as the page.
    }
  });
  return value;
}

function read(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null');
  } catch {
    return null;
  }
}
