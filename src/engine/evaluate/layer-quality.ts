/** How good the choice of tokens was, layer by layer, collected over chunks of rows. */
import { attendedOf, type LayerChoices } from '../attention/sparse-choices.ts';

/** Averaged over rows and lists. */
export interface LayerQuality {
  readonly layer: number;
  /** Share of the exact attention that the attended tokens hold, sink and window included. */
  readonly mass: number;
  /** Share of the selected tokens that the exact choice selects too. */
  readonly recall: number;
}

export class QualitySums {
  readonly #sums = new Map<number, { mass: number; recall: number; masses: number; recalls: number }>();

  /** values: [lists, room, 2], mass caught by a list's heads together and tokens that both choices have. Row r is the
   *  query at position + r, attending by `choices`. */
  add(
    layer: number,
    values: Float32Array,
    shape: { readonly lists: number; readonly room: number; readonly listHeads: number },
    rows: { readonly position: number; readonly count: number },
    choices: LayerChoices,
  ): void {
    const sums = this.#sums.get(layer) ?? { mass: 0, recall: 0, masses: 0, recalls: 0 };
    for (let list = 0; list < shape.lists; list++) {
      for (let row = 0; row < rows.count; row++) {
        const at = 2 * (list * shape.room + row);
        const { selected, attended } = attendedOf(choices, rows.position + row + 1);
        sums.mass += values[at]! / shape.listHeads;
        sums.masses++;
        if (selected === 0) continue;
        sums.recall += (values[at + 1]! - (attended - selected)) / selected;
        sums.recalls++;
      }
    }
    this.#sums.set(layer, sums);
  }

  /** In order of layers; recall is 1 where nothing is ever selected. */
  layers(): LayerQuality[] {
    return [...this.#sums].map(([layer, { mass, recall, masses, recalls }]) => ({
      layer,
      mass: mass / masses,
      recall: recalls > 0 ? recall / recalls : 1,
    }));
  }
}
