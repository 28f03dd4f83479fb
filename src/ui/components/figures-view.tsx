import { useComputed, useSignal } from '@preact/signals';
import { useApp } from '../state/app-state.ts';
import { figureGroups } from '../state/figures.ts';

/** Speed, context and memory, as measured. On narrow screens the main figures, the rest on request. */
export function FiguresView() {
  const { chat, model } = useApp();
  const isOpen = useSignal(false);
  const groups = useComputed(() => {
    const state = model.state.value;
    return figureGroups(
      chat.conversation.value.turns.at(-1)?.answer ?? null,
      state.kind === 'ready' ? state.engine.plan : null,
      model.memory.value,
    );
  });
  return (
    <aside class={isOpen.value ? 'figures open' : 'figures'} aria-label="Figures" data-testid="stats">
      <div class="column">
        {groups.value.map(({ title, figures }) => (
          <section key={title} class={figures.some((figure) => figure.isMain) ? '' : 'more'}>
            <h2>{title}</h2>
            <dl>
              {figures.map(({ name, value, isMain }) => (
                <div key={name} class={isMain ? '' : 'more'}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <button
          type="button"
          class="quiet toggle"
          aria-label={isOpen.value ? 'Less: main figures only' : 'More: all figures'}
          aria-expanded={isOpen.value}
          onClick={() => {
            isOpen.value = !isOpen.value;
          }}
        >
          {isOpen.value ? 'Less' : 'More'}
        </button>
      </div>
    </aside>
  );
}
