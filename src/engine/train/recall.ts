/** Recall and mass as they are reported. */

export interface LayerRecall {
  /** Share of the true top k that signatures find. */
  readonly recall: number;
  /** Share of attention that falls on sink, window and the k tokens signatures choose; and on the best k. */
  readonly mass: number;
  readonly bestMass: number;
}

export interface Recall extends LayerRecall {
  readonly layers: readonly LayerRecall[];
}

/** @param sequences of each, [layers · rows, 4] as the kernel train-recall leaves them */
export function summariseRecall(
  sequences: readonly Float32Array[],
  layers: number,
  headsPerList: number,
): Recall {
  const perLayer = Array.from({ length: layers }, (_, layer) => {
    const all = sequences.flatMap((rows) => {
      const length = rows.length / layers;
      return Array.from(rows.subarray(layer * length, (layer + 1) * length));
    });
    const mean = (of: (row: readonly number[]) => number): number => {
      let sum = 0;
      for (let i = 0; i < all.length; i += 4) sum += of(all.slice(i, i + 4));
      return sum / (all.length / 4);
    };
    // what is not a candidate's is on sink and window, which are attended anyway
    return {
      recall: mean(([found]) => found!),
      mass: mean(([, caught, , candidates]) => 1 - (candidates! - caught!) / headsPerList),
      bestMass: mean(([, , best, candidates]) => 1 - (candidates! - best!) / headsPerList),
    };
  });
  const meanOf = (key: keyof LayerRecall): number =>
    perLayer.reduce((sum, layer) => sum + layer[key], 0) / layers;
  return { recall: meanOf('recall'), mass: meanOf('mass'), bestMass: meanOf('bestMass'), layers: perLayer };
}
