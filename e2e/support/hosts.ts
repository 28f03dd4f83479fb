/** Model hosts on this machine, and pages configured to load from them. */
import { readdirSync, readFileSync } from 'node:fs';
import { ModelServer, served } from '../../test/support/model-server.ts';
import type { Visit } from './visit.ts';

const root = new URL('../../', import.meta.url);

export const defaultModelFolder = new URL('public/models/SmolLM2-135M-Instruct-4bit/', root);
export const tinyModelsFolder = new URL('test/data/models/tiny/', root);

/** A host of its own origin that serves a folder's files under any path. */
export async function serveFolder(folder: URL): Promise<ModelServer> {
  const server = new ModelServer();
  for (const name of readdirSync(folder)) {
    server.files.set(name, served(readFileSync(new URL(name, folder)), `"${name}"`));
  }
  await server.start();
  return server;
}

/** The page as if deployed with this default model, or with none. */
export async function deployWith(
  visit: Visit,
  defaultModel: string | { repo: string } | null,
): Promise<void> {
  await visit.page.route(
    (url) => url.pathname === '/config.json',
    (route) => route.fulfill({ json: { defaultModel, autoLoad: true } }),
  );
}

/** First byte asked for by a Range header; 0 without one. */
export function firstByte(range: string | undefined): number {
  return Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
}

/** Whether a request asks for no more than the head of a file, which planning reads. */
export function isHeadOnly(range: string | undefined): boolean {
  return range === 'bytes=0-65535';
}
