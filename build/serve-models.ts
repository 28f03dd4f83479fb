/** Serves model files in `vite dev` and `vite preview` as a good static host would: exact bytes, ranges, If-Range,
 *  strong ETags, 404 for what is missing. Vite's own preview compresses them, ignores If-Range and answers missing
 *  files with the page. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Connect, Plugin } from 'vite';
import { parseByteRange } from './byte-range.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.jinja': 'text/plain; charset=utf-8',
};

/** directory: what `/models/` stands for. */
export function serveModels(directory: string): Plugin {
  const root = resolve(directory);
  const handle: Connect.NextHandleFunction = (request, response, next) => {
    serve(root, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else next(error);
    });
  };
  return {
    name: 'serve-models',
    configureServer: (server) => {
      server.middlewares.use('/models', handle);
    },
    configurePreviewServer: (server) => {
      server.middlewares.use('/models', handle);
    },
  };
}

/** Answers one request; its path is relative to root. */
export async function serve(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { Allow: 'GET, HEAD' }).end();
    return;
  }
  const path = localPath(root, request.url ?? '/');
  const file = path === null ? null : await stat(path).catch(() => null);
  if (path === null || !file?.isFile()) {
    response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('No such model file.\n');
    return;
  }
  const etag = `"${file.size.toString(16)}-${Math.trunc(file.mtimeMs).toString(16)}"`;
  const headers = {
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'no-cache, no-transform',
    'Content-Type': contentTypes[extname(path)] ?? 'application/octet-stream',
    ETag: etag,
  };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const ifRange = request.headers['if-range'];
  const isSame = ifRange === undefined || ifRange === etag;
  const range = parseByteRange(isSame ? request.headers.range : undefined, file.size);
  if (range === 'unsatisfiable') {
    response.writeHead(416, { ...headers, 'Content-Range': `bytes */${file.size}` }).end();
    return;
  }
  const { begin, end } = range === 'whole' ? { begin: 0, end: file.size } : range;
  response.writeHead(range === 'whole' ? 200 : 206, {
    ...headers,
    'Content-Length': end - begin,
    ...(range === 'whole' ? {} : { 'Content-Range': `bytes ${begin}-${end - 1}/${file.size}` }),
  });
  if (request.method === 'HEAD' || begin === end) {
    response.end();
    return;
  }
  try {
    await pipeline(createReadStream(path, { start: begin, end: end - 1 }), response);
  } catch (error) {
    // A client that stops reading is no fault of the server.
    if (!response.destroyed) throw error;
  }
}

/** The file a URL path means, or null when it leaves root or cannot be decoded. */
function localPath(root: string, url: string): string | null {
  try {
    const path = resolve(root, `.${decodeURIComponent(new URL(url, 'http://localhost').pathname)}`);
    return path.startsWith(root + sep) && !path.includes('\0') ? path : null;
  } catch {
    return null;
  }
}
