/** One HTTP request for bytes of a file, and what the answer's headers say. */
import { AppError, throwIfAborted } from '../../../errors.ts';
import { bodyChunks } from './body-chunks.ts';

export interface NetworkPolicy {
  /** Failures in a row, without 1 MiB of progress between, before giving up. */
  readonly attempts: number;
  /** The same before a file's first byte: a host that was never reached is more likely out of reach than busy. */
  readonly firstAttempts: number;
  /** Wait after the first failure; doubled after each further one. */
  readonly firstDelayMs: number;
  /** Longest wait; a server that asks for more (Retry-After) is given up. */
  readonly maxDelayMs: number;
  /** A connection that delivers nothing for so long counts as cut. */
  readonly idleTimeoutMs: number;
}

export const defaultNetworkPolicy: NetworkPolicy = {
  attempts: 6,
  firstAttempts: 4,
  firstDelayMs: 500,
  maxDelayMs: 60_000,
  idleTimeoutMs: 60_000,
};

export interface HttpClient {
  readonly fetch: typeof fetch;
  /** Sent with every request; fetch drops Authorization when a redirect leads to another origin. */
  readonly headers: Readonly<Record<string, string>>;
  readonly policy: NetworkPolicy;
  /** Told why the next attempt is waited for. */
  readonly onWaiting?: ((reason: string) => void) | undefined;
  /** What a person can do about a status that no retry will cure. */
  advise(status: number): string;
}

/** A failure that may pass: retried, and never shown as it is. */
export class TransientFailure extends Error {
  readonly retryAfterMs: number;

  constructor(message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

export interface Answer {
  /** Position in the file of the body's first byte. */
  readonly begin: number;
  /** The server ignored the range and sends the file from its beginning to its end. */
  readonly isWhole: boolean;
  /** Size of the whole file; null when the server does not say. */
  readonly size: number | null;
  readonly etag: string | null;
  readonly headers: Headers;
  /** The body's next chunk, valid until the one after it is asked for; null at its end.
   *  @throws TransientFailure when the connection is cut or silent. */
  next(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Ends the request; needed unless `next` has answered null or thrown. */
  cancel(): void;
}

/** Asks for the bytes [begin, end) of a file; null when there is no such file.
 *
 *  A server may ignore the range: `Answer.begin` tells. No If-Range: it is no simple header, so it would need the
 *  consent of every CDN a redirect leads to, and static servers ignore it; callers compare `etag` and `size`.
 *  @throws TransientFailure; AppError "download-failed" when retrying is pointless, "aborted". */
export async function request(
  client: HttpClient,
  url: string,
  range: { readonly begin: number; readonly end: number },
  signal: AbortSignal | undefined,
): Promise<Answer | null> {
  const headers = { ...client.headers, range: `bytes=${range.begin}-${range.end - 1}` };
  const { response, control } = await send(client, url, { headers }, signal);
  const { status } = response;
  const cancel = (): void => control.abort();
  if (status !== 200 && status !== 206 && status !== 416) {
    cancel();
    if (status === 404) return null;
    throw refusal(client, url, response);
  }
  // Single-page servers answer 200 with a page of theirs for files they do not have.
  if (status === 200 && /^text\/html\b/i.test(response.headers.get('content-type') ?? '')) {
    cancel();
    return null;
  }
  const place = placeOf(response, range.begin);
  if (place.sentBegin !== null && place.sentBegin !== range.begin) {
    cancel();
    throw new AppError(
      'download-failed',
      `${shownUrl(url)}: asked for bytes from ${range.begin} on, the server sent bytes from ${place.sentBegin} on. It cannot serve ranges; use another server.`,
    );
  }
  // The body of a 416 is an error page, not bytes of the file.
  const read = status === 416 || !response.body ? async () => null : bodyChunks(response.body);
  return {
    begin: place.begin,
    isWhole: status === 200,
    size: place.size,
    etag: etagOf(response.headers),
    headers: response.headers,
    async next() {
      try {
        return await within(client.policy.idleTimeoutMs, read(), cancel);
      } catch (cause) {
        throw failureOf(cause, signal);
      }
    },
    cancel,
  };
}

/** The headers of a file, without a body; null when there is no such file. Throws as `request` does. */
export async function requestHeaders(
  client: HttpClient,
  url: string,
  signal: AbortSignal | undefined,
): Promise<Headers | null> {
  const { response } = await send(client, url, { method: 'HEAD', headers: client.headers }, signal);
  if (response.status === 404) return null;
  if (!response.ok) throw refusal(client, url, response);
  return response.headers;
}

/** An address as messages show it: without its query, which may be a signature. */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

async function send(
  client: HttpClient,
  url: string,
  init: RequestInit,
  signal: AbortSignal | undefined,
): Promise<{ response: Response; control: AbortController }> {
  throwIfAborted(signal);
  const control = new AbortController();
  const whole: RequestInit = {
    ...init,
    // The HTTP cache would keep a second copy, and can answer a range with the short body of an earlier one.
    cache: 'no-store',
    referrerPolicy: 'no-referrer',
    signal: signal ? AbortSignal.any([signal, control.signal]) : control.signal,
  };
  try {
    const { fetch } = client; // called without `this`, as browsers demand
    const response = await within(client.policy.idleTimeoutMs, fetch(url, whole), () => control.abort());
    return { response, control };
  } catch (cause) {
    throw failureOf(cause, signal);
  }
}

/** Rejects and calls `stop` when `pending` takes longer than `ms`. */
async function within<T>(ms: number, pending: Promise<T>, stop: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new TransientFailure(`the server was silent for ${ms / 1000} s`));
      stop();
    }, ms);
  });
  try {
    return await Promise.race([pending, silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** What a rejected fetch or read means: browsers tell nothing of the cause. */
function failureOf(cause: unknown, signal: AbortSignal | undefined): unknown {
  try {
    throwIfAborted(signal);
  } catch (aborted) {
    return aborted;
  }
  if (cause instanceof TransientFailure) return cause;
  return new TransientFailure(
    'the connection failed (offline, cut, or not allowed by the server for this page)',
    {
      cause,
    },
  );
}

const transientStatuses: readonly number[] = [408, 425, 429, 500, 502, 503, 504];

function refusal(client: HttpClient, url: string, response: Response): Error {
  const { status } = response;
  const said = `the server answered ${status} ${response.statusText}`.trim();
  if (transientStatuses.includes(status)) {
    return new TransientFailure(said, { retryAfterMs: retryAfterMs(response.headers.get('retry-after')) });
  }
  return new AppError('download-failed', `${shownUrl(url)}: ${said}. ${client.advise(status)}`, {
    details: { url: shownUrl(url), status },
  });
}

/** Retry-After is seconds or a date. */
function retryAfterMs(value: string | null): number {
  if (value === null) return 0;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** Where the body lies in the file. Other origins may hide Content-Range: then a 206 is taken at its word. */
function placeOf(response: Response, asked: number): Place {
  const { headers, status } = response;
  if (status === 200) {
    const length = headers.get('content-length');
    // Of a compressed answer, the length is that of the compressed bytes.
    const isExact = length !== null && headers.get('content-encoding') === null;
    return { begin: 0, sentBegin: null, size: isExact ? Number(length) : null };
  }
  const field = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  const size = field?.[2] === undefined || field[2] === '*' ? null : Number(field[2]);
  return { begin: asked, sentBegin: field?.[1] === undefined ? null : Number(field[1]), size };
}

interface Place {
  readonly begin: number;
  /** What Content-Range says of `begin`; null when it says nothing. */
  readonly sentBegin: number | null;
  readonly size: number | null;
}

/** Hugging Face names the content of large files in X-Linked-Etag; weak and strong forms count as one. */
function etagOf(headers: Headers): string | null {
  const etag = headers.get('x-linked-etag') ?? headers.get('etag') ?? headers.get('last-modified');
  return etag?.replace(/^W\//, '') ?? null;
}
