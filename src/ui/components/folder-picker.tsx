import { useRef } from 'preact/hooks';
import type { NamedModel } from '../state/model-choice.ts';

/** Not yet in TypeScript's DOM types. */
interface DirectoryPickerWindow {
  readonly showDirectoryPicker?: (options: { mode: 'read' }) => Promise<FileSystemDirectoryHandle>;
}

/** Chooses a folder on this computer: by handle where the browser can, else by its list of files. */
export function FolderPicker(props: {
  readonly picked: NamedModel | null;
  readonly onPick: (folder: NamedModel) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const { showDirectoryPicker } = window as Window & DirectoryPickerWindow;

  async function pick(): Promise<void> {
    if (!showDirectoryPicker) {
      input.current?.click();
      return;
    }
    try {
      const handle = await showDirectoryPicker.call(window, { mode: 'read' });
      props.onPick({ label: handle.name, reference: { kind: 'folder', handle } });
    } catch (error) {
      // Closing the picker is no choice; where it is forbidden, the plain input still works.
      if (!(error instanceof DOMException && error.name === 'AbortError')) input.current?.click();
    }
  }

  return (
    <div class="folder-picker">
      <button type="button" class="plain" onClick={pick}>
        Choose folder
      </button>
      <span>{props.picked === null ? 'No folder chosen' : props.picked.label}</span>
      <input
        ref={input}
        type="file"
        hidden
        multiple
        aria-label="Model folder"
        {...{ webkitdirectory: true }}
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          const label = files[0]?.webkitRelativePath.split('/')[0] ?? 'folder';
          if (files.length > 0) props.onPick({ label, reference: { kind: 'files', files } });
        }}
      />
    </div>
  );
}
