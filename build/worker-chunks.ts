/** The worker's chunks: what the page's first model needs is one, what sparse attention adds another. Left to itself, the
 *  bundler splits off whatever two chunks share. */

interface ModuleGraph {
  getModuleInfo(id: string): { readonly importers: readonly string[] } | null;
}

/** In the order in which they are loaded: a module belongs to the first that reaches it. */
const entries = ['local-engine', 'on-demand'];

/** A rule for `codeSplitting`: the chunk of a module that one of these imports statically. */
export function workerChunk(id: string, graph: ModuleGraph): string | null {
  return entries.find((entry) => isReached(id, entry, graph, new Set())) ?? null;
}

function isReached(id: string, entry: string, graph: ModuleGraph, seen: Set<string>): boolean {
  if (id.endsWith(`/src/engine/${entry}.ts`)) return true;
  if (seen.has(id)) return false;
  seen.add(id);
  const importers = graph.getModuleInfo(id)?.importers ?? [];
  return importers.some((importer) => isReached(importer, entry, graph, seen));
}
