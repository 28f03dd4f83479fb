/** Reads a made-up remote model through the real browser storage, in a worker of its own, as the engine does. */

import type { ModelSource, Traffic } from '../../src/engine/source/model-source.ts';
import { openSource } from '../../src/engine/source/open-source.ts';
import type { AppError } from '../../src/errors.ts';

export interface OpfsJob {
  readonly repo: string;
  readonly size: number;
  /** Chosen per run: contents differ between runs. */
  readonly seed: number;
  readonly begin: number;
  readonly end: number;
  readonly isOffline?: boolean;
  /** Report after so many bytes and stop reading, without closing anything. */
  readonly stallAfter?: number;
  readonly close?: boolean;
}

export interface OpfsResult {
  readonly gotBytes: number;
  readonly wrongBytes: number;
  readonly traffic: Traffic;
  readonly warnings: readonly string[];
  readonly error: string | null;
}

self.onmessage = async ({ data }: MessageEvent<OpfsJob>) => {
  self.postMessage(await run(data));
};

async function run(job: OpfsJob): Promise<OpfsResult> {
  const warnings: string[] = [];
  const result = { gotBytes: 0, wrongBytes: 0, traffic: { networkBytes: 0, storageBytes: 0 } };
  let source: ModelSource | undefined;
  try {
    source = await openSource(
      { kind: 'hub', repo: job.repo },
      {
        fetch: job.isOffline ? offline : servedBy(job),
        network: { attempts: 1 },
        onWarning: (warning) => warnings.push(warning.code),
      },
    );
    for await (const chunk of source.readRange('model.safetensors', job.begin, job.end)) {
      for (let index = 0; index < chunk.length; index++) {
        if (chunk[index] !== byteAt(job.seed, job.begin + result.gotBytes + index)) result.wrongBytes++;
      }
      result.gotBytes += chunk.length;
      if (job.stallAfter !== undefined && result.gotBytes >= job.stallAfter) {
        self.postMessage({ ...result, traffic: source.traffic(), warnings, error: null });
        await new Promise(() => undefined);
      }
    }
    if (job.close) source.close();
    return { ...result, traffic: source.traffic(), warnings, error: null };
  } catch (error) {
    const { code, message } = error as AppError;
    return {
      ...result,
      traffic: source?.traffic() ?? result.traffic,
      warnings,
      error: `${code}: ${message}`,
    };
  }
}

function byteAt(seed: number, position: number): number {
  return (Math.imul(position + seed, 0x9e3779b1) >>> 24) & 0xff;
}

const offline = (() => Promise.reject(new TypeError('Failed to fetch'))) as typeof fetch;

/** Answers ranges of the one file in pieces, as a network does. */
function servedBy(job: OpfsJob): typeof fetch {
  return (async (_url: string, init?: RequestInit) => {
    const headers = { 'x-repo-commit': 'c'.repeat(40), etag: '"1"' };
    const range = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get('range') ?? '');
    if (!range) return new Response(null, { headers });
    const end = Math.min(job.size, Number(range[2]) + 1);
    let at = Number(range[1]);
    const contentRange = `bytes ${at}-${end - 1}/${job.size}`;
    const body = new ReadableStream({
      pull(controller) {
        const next = Math.min(end, at + 100_000);
        controller.enqueue(
          Uint8Array.from({ length: next - at }, (_, index) => byteAt(job.seed, at + index)),
        );
        at = next;
        if (at === end) controller.close();
      },
    });
    return new Response(body, { status: 206, headers: { ...headers, 'content-range': contentRange } });
  }) as typeof fetch;
}
