import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Icon } from './icon.tsx';

/** A native modal dialog: the browser keeps the focus inside, closes it on Escape and returns the focus. */
export function Modal(props: {
  readonly title: string;
  readonly onClose: () => void;
  /** For what wants room. */
  readonly isWide?: boolean;
  readonly children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const isShown = useRef(true);

  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => {
      // another dialog may be in its place when the browser tells that it is closed
      isShown.current = false;
      element?.close();
    };
  }, []);

  return (
    <dialog
      ref={dialog}
      class={props.isWide ? 'modal wide' : 'modal'}
      aria-labelledby={titleId}
      onClose={() => isShown.current && props.onClose()}
    >
      <header>
        <h2 id={titleId}>{props.title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      <div class="modal-body">{props.children}</div>
    </dialog>
  );
}
