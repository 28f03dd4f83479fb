/** Bytes of remote files, whatever the connection does: resumed where it was cut, counted, never held whole. */
import { AppError } from '../../../errors.ts';
import type { FileStat } from '../model-source.ts';
import {
  type Answer,
  type HttpClient,
  request,
  requestHeaders,
  shownUrl,
  TransientFailure,
} from './http-client.ts';
import { Retries } from './retries.ts';

/** Enough for every small file and most safetensors headers, so that these cost one request in all. */
const firstBytes = 2 ** 16;

/** Longest file read only to learn its size, from a server that tells neither size nor serves ranges. */
const countableBytes = 2 ** 26;

export interface Probe {
  readonly stat: FileStat;
  /** The file's first bytes, as far as they came: at most 64 KiB. */
  readonly head: Uint8Array<ArrayBuffer>;
}

/** Size, identity and first bytes of a file; null when there is none. One attempt.
 *  @throws TransientFailure; AppError "download-failed", "aborted". */
export async function probeOnce(
  client: HttpClient,
  url: string,
  signal: AbortSignal | undefined,
): Promise<Probe | null> {
  const answer = await request(client, url, { begin: 0, end: firstBytes }, signal);
  if (!answer) return null;
  try {
    const { head, received } = await readHead(answer);
    const size = answer.size ?? (await unstatedSize(client, url, answer, received, signal));
    return { stat: { size, etag: answer.etag }, head: head.slice(0, size) };
  } finally {
    answer.cancel();
  }
}

/** Reads until the head is full or the body ends. */
async function readHead(
  answer: Answer,
): Promise<{ readonly head: Uint8Array<ArrayBuffer>; readonly received: number }> {
  const head = new Uint8Array(Math.min(firstBytes, answer.size ?? firstBytes));
  let received = 0;
  try {
    while (received < head.length) {
      const chunk = await answer.next();
      if (!chunk) break;
      head.set(chunk.subarray(0, head.length - received), received);
      received += chunk.length;
    }
  } catch (error) {
    // With the size known, a head cut short will do: reading goes on where it ends.
    if (!(error instanceof TransientFailure) || answer.size === null) throw error;
  }
  return { head: head.subarray(0, received), received };
}

/** As `probeOnce`, with retries. */
export async function probe(
  client: HttpClient,
  url: string,
  signal: AbortSignal | undefined,
): Promise<Probe | null> {
  const retries = new Retries(client, url);
  for (;;) {
    try {
      return await probeOnce(client, url, signal);
    } catch (error) {
      if (!(error instanceof TransientFailure)) throw error;
      await retries.pauseAfter(error, null, signal);
    }
  }
}

/** The bytes [begin, end) of a file that `expected` describes, in chunks as they arrive.
 *  A changed size, or etag unless `expected.etag` is null, means other contents: an error, never a mixture.
 *  @throws AppError "download-failed", "aborted". */
export async function* download(
  client: HttpClient,
  url: string,
  begin: number,
  end: number,
  expected: FileStat,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const retries = new Retries(client, url);
  let position = begin;
  while (position < end) {
    let failure: TransientFailure;
    let answer: Answer | null = null;
    try {
      answer = await request(client, url, { begin: position, end }, signal);
      refuseChange(answer, expected, url);
      let at = answer.begin; // before `position` when the server ignored the range: skip up to it
      for (let chunk = await answer.next(); chunk; chunk = position < end ? await answer.next() : null) {
        const wanted = chunk.subarray(Math.max(0, position - at), Math.max(0, end - at));
        at += chunk.length;
        if (wanted.length === 0) continue;
        position += wanted.length;
        retries.progress(wanted.length);
        yield wanted;
      }
      if (position >= end) return;
      failure = new TransientFailure('the answer was shorter than asked for');
    } catch (error) {
      if (!(error instanceof TransientFailure)) throw error;
      failure = error;
    } finally {
      answer?.cancel();
    }
    const state = { gotBytes: position - begin, wantedBytes: end - begin };
    await retries.pauseAfter(failure, state, signal);
  }
}

/** Thrown inside an AppError's `cause` when the server has other contents than before. */
export class ContentsChanged extends Error {}

function refuseChange(answer: Answer | null, expected: FileStat, url: string): asserts answer is Answer {
  const differs = (got: unknown, wanted: unknown) => got !== null && wanted !== null && got !== wanted;
  let change: string | undefined;
  if (!answer) change = 'it is no longer there';
  else if (differs(answer.size, expected.size)) {
    change = `it had ${expected.size} bytes and now has ${answer.size}`;
  } else if (differs(answer.etag, expected.etag)) {
    change = `its identity was ${expected.etag} and is now ${answer.etag}`;
  }
  if (change === undefined) return;
  throw new AppError(
    'download-failed',
    `${shownUrl(url)} changed on the server while it was being read: ${change}. Load the model again.`,
    { details: { url: shownUrl(url) }, cause: new ContentsChanged(change) },
  );
}

/** The size of a file whose answer does not tell it: Content-Range hidden from this origin, or a compressed body. */
async function unstatedSize(
  client: HttpClient,
  url: string,
  answer: Answer,
  received: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const isCompressed = answer.headers.get('content-encoding') !== null;
  if (received < firstBytes) {
    const length = answer.headers.get('content-length');
    if (!isCompressed && length !== null && Number(length) !== received) {
      throw new TransientFailure(`the answer ended after ${received} of ${length} bytes`);
    }
    return received;
  }
  if (!isCompressed) {
    const headers = await requestHeaders(client, url, signal);
    const length = headers?.get('content-length') ?? null;
    if (length !== null && headers?.get('content-encoding') === null) return Number(length);
  }
  if (answer.isWhole) {
    let size = received;
    for (let chunk = await answer.next(); chunk && size <= countableBytes; chunk = await answer.next()) {
      size += chunk.length;
    }
    if (size <= countableBytes) return size;
  }
  throw new AppError(
    'download-failed',
    `${shownUrl(url)}: the server does not tell the size of the file. It must send Content-Length without compression, or serve ranges and let other origins see Content-Range (Access-Control-Expose-Headers).`,
    { details: { url: shownUrl(url) } },
  );
}
