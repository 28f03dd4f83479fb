/** Crossovers measured so far, or under way, by device, options and shape of the maps; lives as long as an engine, so
 *  that a device that comes back need not be measured again. Tokens; null: nowhere within the planned context. */
export type CrossoverRecord = Map<string, Promise<number | null>>;
