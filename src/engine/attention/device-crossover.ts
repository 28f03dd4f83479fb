/** This device's crossover: measured once for the same options and maps. */
import type { Gpu } from '../../kernels/runtime/gpu.ts';
import { loadPart } from '../load-part.ts';
import type { CrossoverParts } from './crossover.ts';
import type { CrossoverRecord } from './crossover-record.ts';

/** As `measureCrossover`, or what that gave or will give for the same. A measurement that failed is made again when next
 *  wanted. */
export function deviceCrossover(record: CrossoverRecord, parts: CrossoverParts): Promise<number | null> {
  const key = keyOf(parts);
  const known = record.get(key);
  if (known) return known;
  const measured = Promise.race([measure(parts), whenLost(parts.gpu)]);
  record.set(key, measured);
  measured.catch(() => record.delete(key));
  return measured;
}

async function measure(parts: CrossoverParts): Promise<number | null> {
  const { measureCrossover } = await loadPart(import('./crossover.ts'));
  return measureCrossover(parts);
}

/** A lost device may never answer. */
async function whenLost(gpu: Gpu): Promise<never> {
  const { message, reason } = await gpu.lost;
  throw new Error(`The graphics device was lost while attention was timed (${message || reason}).`);
}

function keyOf({ gpu, maps, choices, plannedContext }: CrossoverParts): string {
  const { vendor, architecture, description } = gpu.traits;
  const { denseLayers: _, layerBudgets: __, ...others } = choices;
  const shapes = maps.layers.map(({ query, key }) =>
    [query, key].map(({ heads, widths }) => [heads, widths]),
  );
  return JSON.stringify([vendor, architecture, description, plannedContext, others, maps.bits, shapes]);
}
