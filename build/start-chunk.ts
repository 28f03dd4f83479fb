/** What the worker needs for the page's first model, as one chunk: left to itself, the bundler splits off whatever a chunk
 *  that is loaded later shares with it. */

interface ModuleGraph {
  getModuleInfo(id: string): { readonly importers: readonly string[] } | null;
}

const entry = 'local-engine';

/** A rule for `codeSplitting`: the chunk of a module that the engine imports statically. */
export function startChunk(id: string, graph: ModuleGraph): string | null {
  return isReached(id, graph, new Set()) ? entry : null;
}

function isReached(id: string, graph: ModuleGraph, seen: Set<string>): boolean {
  if (id.endsWith(`/src/engine/${entry}.ts`)) return true;
  if (seen.has(id)) return false;
  seen.add(id);
  return (graph.getModuleInfo(id)?.importers ?? []).some((importer) => isReached(importer, graph, seen));
}
