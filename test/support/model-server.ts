/** A local HTTP server that behaves like the Hugging Face hub with its CDN, and misbehaves on request. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';

export interface SeenRequest {
  readonly host: 'hub' | 'cdn';
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** What the server does wrong; each applies to files whose path ends so, or to all when the path is ''. */
export interface Misbehaviour {
  /** Cut the connection after so many body bytes, so many times. */
  cut?: { afterBytes: number; times: number };
  /** Answer so many requests with this status first. */
  fail?: { status: number; times: number; retryAfter?: string };
  ignoreRange?: boolean;
  /** Compress, and ignore both Range and Accept-Encoding. */
  gzip?: boolean;
  /** End the body cleanly after so many bytes (chunked, so that HTTP itself finds nothing wrong). */
  shorten?: number;
  /** Claim a larger file than there is. */
  claimedSize?: number;
  hideContentRange?: boolean;
  noEtag?: boolean;
  /** Send headers and then nothing. */
  hang?: boolean;
  /** Send so many body bytes and then nothing. */
  stallAfter?: number;
}

export interface ServedFile {
  readonly size: number;
  etag: string;
  /** Bytes [begin, end) of the file. */
  readonly bytes: (begin: number, end: number) => Uint8Array;
}

/** A file of given bytes. */
export function served(content: Uint8Array | string, etag = '"1"'): ServedFile {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return { size: bytes.length, etag, bytes: (begin, end) => bytes.subarray(begin, end) };
}

export class ModelServer {
  readonly files = new Map<string, ServedFile>();
  readonly misbehaviours = new Map<string, Misbehaviour>();
  readonly seen: SeenRequest[] = [];
  commit: string | null = 'a'.repeat(40);
  /** Large files are on the CDN, as on the hub. */
  redirectToCdn = false;
  requiredToken: string | null = null;
  /** Answer missing files as single-page servers do. */
  missingAsPage = false;
  /** Body bytes handed to the operating system so far. */
  sentBytes = 0;
  readonly #hub = createServer((request, response) => void this.#serve('hub', request, response));
  readonly #cdn = createServer((request, response) => void this.#serve('cdn', request, response));

  async start(): Promise<void> {
    await Promise.all([listen(this.#hub), listen(this.#cdn)]);
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get url(): string {
    return origin(this.#hub);
  }

  get cdnUrl(): string {
    return origin(this.#cdn);
  }

  misbehave(path: string, misbehaviour: Misbehaviour): void {
    this.misbehaviours.set(path, misbehaviour);
  }

  async #serve(host: 'hub' | 'cdn', request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const { range, authorization } = request.headers;
    const method = request.method ?? 'GET';
    // Pages of any origin may read everything, as on the hub.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-expose-headers', '*');
    this.seen.push({ host, method, path: pathname, range, authorization });
    const how = this.#misbehaviourFor(pathname);
    if (how.fail && how.fail.times-- > 0) {
      if (how.fail.retryAfter) response.setHeader('retry-after', how.fail.retryAfter);
      response.writeHead(how.fail.status).end('try again');
      return;
    }
    if (host === 'hub' && this.requiredToken && authorization !== `Bearer ${this.requiredToken}`) {
      response.writeHead(authorization ? 403 : 401).end();
      return;
    }
    const match = [...this.files].find(([path]) => pathname.endsWith(`/${path}`));
    if (!match) {
      if (this.missingAsPage) response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>');
      else response.writeHead(404).end('Entry not found');
      return;
    }
    const [path, file] = match;
    if (this.commit) response.setHeader('x-repo-commit', this.commit);
    if (host === 'hub' && this.redirectToCdn && file.size > 1000) {
      response.writeHead(302, { location: `${origin(this.#cdn)}/blobs/${path}` }).end();
      return;
    }
    await this.#send(file, how, method === 'HEAD', range, response);
  }

  #misbehaviourFor(pathname: string): Misbehaviour {
    const match = [...this.misbehaviours].find(([path]) => path === '' || pathname.endsWith(`/${path}`));
    return match?.[1] ?? {};
  }

  async #send(
    file: ServedFile,
    how: Misbehaviour,
    isHead: boolean,
    range: string | undefined,
    response: ServerResponse,
  ): Promise<void> {
    if (!how.noEtag) response.setHeader('etag', file.etag);
    if (how.gzip) {
      const body = gzipSync(file.bytes(0, file.size));
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length });
      response.end(isHead ? undefined : body);
      return;
    }
    const size = how.claimedSize ?? file.size;
    const asked = how.ignoreRange ? null : /^bytes=(\d+)-(\d+)$/.exec(range ?? '');
    const begin = asked ? Number(asked[1]) : 0;
    const end = asked ? Math.min(size, Number(asked[2]) + 1) : size;
    if (asked && begin >= size) {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end('no such range');
      return;
    }
    if (asked && !how.hideContentRange)
      response.setHeader('content-range', `bytes ${begin}-${end - 1}/${size}`);
    if (how.shorten === undefined) response.setHeader('content-length', end - begin);
    response.writeHead(asked ? 206 : 200);
    if (isHead) {
      response.end();
      return;
    }
    response.flushHeaders();
    if (how.hang) return;
    await this.#sendBody(file, how, begin, Math.min(end, file.size), response);
  }

  async #sendBody(
    file: ServedFile,
    how: Misbehaviour,
    begin: number,
    end: number,
    response: ServerResponse,
  ): Promise<void> {
    const isCut = how.cut !== undefined && how.cut.times > 0;
    const stallAt = begin + (how.stallAfter ?? Infinity);
    const stopAt = Math.min(
      end,
      stallAt,
      isCut ? begin + how.cut!.afterBytes : end,
      how.shorten === undefined ? end : begin + how.shorten,
    );
    for (let at = begin; at < stopAt && !response.destroyed; ) {
      const next = Math.min(stopAt, at + 65536);
      const hasRoom = response.write(file.bytes(at, next));
      this.sentBytes += next - at;
      at = next;
      if (!hasRoom) await drained(response);
    }
    if (stallAt < end) return;
    const isLie = how.claimedSize !== undefined && end === file.size;
    if (isLie || (isCut && stopAt < end)) {
      if (how.cut) how.cut.times--;
      // What was written is let out first, so that the cut comes where it was asked for.
      setTimeout(() => response.destroy(), 20);
      return;
    }
    response.end();
  }
}

async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

async function listen(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

function origin(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
