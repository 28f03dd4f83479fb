/** Crossovers measured so far, by device and options; lives as long as an engine, so that a device that comes back need
 *  not be measured again. Tokens; null: nowhere within the planned context. */
export type CrossoverRecord = Map<string, number | null>;
