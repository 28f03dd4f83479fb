import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { StoredModel } from '../../engine/index.ts';
import { useApp } from '../state/app-state.ts';
import { faultFrom } from '../state/fault.ts';
import { formatBytes } from '../state/format.ts';

/** The models kept in this browser, with what they take and a way to delete them. Nothing while there are none. */
export function StoredModels() {
  const { announce, storage } = useApp();
  const models = useSignal<readonly StoredModel[]>([]);
  const problem = useSignal<string | null>(null);

  async function refresh(): Promise<void> {
    try {
      models.value = await storage.list();
    } catch (error) {
      problem.value = faultFrom(error).message;
    }
  }

  async function remove(model: StoredModel): Promise<void> {
    problem.value = null;
    try {
      await storage.remove(model.id);
      announce(`${model.name} deleted.`);
    } catch (error) {
      problem.value = faultFrom(error).message;
    }
    await refresh();
  }

  useEffect(() => void refresh(), []);

  if (models.value.length === 0 && problem.value === null) return null;
  return (
    <section>
      <h3>Stored models</h3>
      <ul class="stored">
        {models.value.map((model) => (
          <li key={model.id}>
            <span class="stored-name">
              {model.name}
              {model.revision !== null && <small>{model.revision}</small>}
            </span>
            <span>{sizeText(model)}</span>
            <button
              type="button"
              class="quiet"
              aria-label={`Delete ${model.name}`}
              onClick={() => remove(model)}
            >
              Delete
            </button>
          </li>
        ))}
      </ul>
      {problem.value !== null && (
        <p class="problem" role="alert">
          {problem.value}
        </p>
      )}
    </section>
  );
}

function sizeText({ storedBytes, totalBytes }: StoredModel): string {
  const stored = formatBytes(storedBytes);
  return storedBytes < totalBytes ? `${stored} of ${formatBytes(totalBytes)}` : stored;
}
