import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseByteRange } from '../../build/byte-range.ts';
import { serve } from '../../build/serve-models.ts';

describe('byte ranges', () => {
  test.each([
    ['bytes=0-9', { begin: 0, end: 10 }],
    ['bytes=90-', { begin: 90, end: 100 }],
    ['bytes=90-1000', { begin: 90, end: 100 }],
    ['bytes=-5', { begin: 95, end: 100 }],
    ['bytes=-500', { begin: 0, end: 100 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-4', 'whole'],
    ['bytes=0-1,3-4', 'whole'],
    ['lines=1-2', 'whole'],
    ['bytes=-', 'whole'],
    [undefined, 'whole'],
  ] as const)('%j of 100 bytes', (header, expected) => {
    expect(parseByteRange(header, 100)).toEqual(expected);
  });
});

describe('the model file server', () => {
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 7) % 256));
  let folder: string;
  let server: Server;
  let base: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'models-'));
    await writeFile(join(folder, 'a.safetensors'), bytes);
    await writeFile(join(folder, 'empty.json'), '');
    await writeFile(`${folder}-secret`, 'secret');
    server = createServer((incoming, response) => void serve(folder, incoming, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await rm(folder, { recursive: true });
    await rm(`${folder}-secret`);
  });

  test('gives exact bytes, uncompressed, whatever the client accepts', async () => {
    const response = await fetch(`${base}/a.safetensors`, { headers: { 'Accept-Encoding': 'gzip, br' } });
    expect(response.headers.get('content-encoding')).toBe(null);
    expect(response.headers.get('content-length')).toBe('5000');
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
  });

  test('gives ranges, and the whole file when If-Range names another version', async () => {
    const first = await fetch(`${base}/a.safetensors`, { headers: { Range: 'bytes=10-19' } });
    expect(first.status).toBe(206);
    expect(first.headers.get('content-range')).toBe('bytes 10-19/5000');
    expect(Buffer.from(await first.arrayBuffer()).equals(bytes.subarray(10, 20))).toBe(true);
    const etag = first.headers.get('etag')!;
    const same = await fetch(`${base}/a.safetensors`, { headers: { Range: 'bytes=0-0', 'If-Range': etag } });
    expect(same.status).toBe(206);
    const other = await fetch(`${base}/a.safetensors`, {
      headers: { Range: 'bytes=0-0', 'If-Range': '"x"' },
    });
    expect(other.status).toBe(200);
    expect((await other.arrayBuffer()).byteLength).toBe(5000);
  });

  test('answers 416, 304, HEAD and empty files as the standard says', async () => {
    const beyond = await fetch(`${base}/a.safetensors`, { headers: { Range: 'bytes=5000-' } });
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */5000']);
    const head = await fetch(`${base}/a.safetensors`, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '5000']);
    const etag = head.headers.get('etag')!;
    expect((await fetch(`${base}/a.safetensors`, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    expect((await fetch(`${base}/a.safetensors`, { method: 'POST' })).status).toBe(405);
    const empty = await fetch(`${base}/empty.json`);
    expect([empty.status, await empty.text()]).toEqual([200, '']);
  });

  test.each(['/missing.json', '/', '/..%2f%2e%2e', '/%00', '/%zz'])('answers 404 to %s', async (path) => {
    expect((await fetch(base + path)).status).toBe(404);
  });

  test('does not leave its folder', async () => {
    const name = folder.split('/').at(-1)!;
    for (const path of [`/..%2f${name}-secret`, `/../${name}-secret`, `//${name}-secret`]) {
      const status = await new Promise<number>((resolve, reject) => {
        request(`${base}/`, { path }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        })
          .on('error', reject)
          .end();
      });
      expect(status, path).toBe(404);
    }
  });
});
