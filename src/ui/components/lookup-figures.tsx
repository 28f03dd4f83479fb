import { formatShare } from '../state/format.ts';
import { type LayerFigures, overallFigures } from '../state/lookup.ts';

const columns = [
  ['recall', 'Recall', 'of the tokens with the most dense attention, how many were selected'],
  ['mass', 'Attention caught', 'how much of dense attention falls on the tokens attended to'],
  ['outputError', 'Output error', 'how far the output is from the dense one, relative to it'],
] as const;

/** How well each layer chose, measured against dense attention on the same inputs. */
export function LookupFigures({ layers }: { readonly layers: readonly LayerFigures[] }) {
  const overall = overallFigures(layers);
  return (
    <section>
      <h3>Beside dense attention</h3>
      <p class="hint">
        Same query, same keys and values, means over heads.{' '}
        {columns.map(([, title, meaning]) => `${title}: ${meaning}.`).join(' ')}
      </p>
      <div class="lookup-figures">
        <table data-testid="lookup-figures">
          <thead>
            <tr>
              <th scope="col">Layer</th>
              {columns.map(([name, title]) => (
                <th key={name} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <Row name="All sparse" figures={overall} />
            {layers.map((layer) => (
              <Row key={layer.index} name={String(layer.index)} figures={layer} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({ name, figures }: { readonly name: string; readonly figures: Omit<LayerFigures, 'index'> }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      {columns.map(([column, title]) => (
        <td key={column}>
          <Share title={title} value={figures[column]} />
        </td>
      ))}
    </tr>
  );
}

/** A share as a number and a bar; errors above one fill the bar. */
function Share({ title, value }: { readonly title: string; readonly value: number | null }) {
  if (value === null) return <>–</>;
  return (
    <>
      <span>{formatShare(value)}</span>
      <meter aria-label={title} value={Math.min(1, value)} />
    </>
  );
}
