import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryStore } from '../../../test/support/memory-store.ts';
import { ModelServer, served } from '../../../test/support/model-server.ts';
import { AppError } from '../../errors.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import type { NetworkPolicy } from './http/http-client.ts';
import type { ModelSource } from './model-source.ts';
import { type OpenSourceOptions, openSource } from './open-source.ts';
import { deleteStoredModel, listStoredModels } from './storage/stored-model.ts';

const network: Partial<NetworkPolicy> = {
  attempts: 4,
  firstDelayMs: 1,
  maxDelayMs: 2000,
  idleTimeoutMs: 5000,
};
const random = new Random(runSeed);
const weightsSize = 300_000 + random.integer(0, 1000);
const weights = new Uint8Array(random.words(Math.ceil(weightsSize / 4)).buffer, 0, weightsSize);
const config = '{"model_type":"llama"}';

let server: ModelServer;
let store: MemoryStore;
let warnings: AppError[];

beforeEach(async () => {
  server = new ModelServer();
  server.files.set('config.json', served(config, '"c1"'));
  server.files.set('model.safetensors', served(weights, '"w1"'));
  await server.start();
  store = new MemoryStore();
  warnings = [];
});

afterEach(() => server.stop());

function open(kind: 'hub' | 'url', options: OpenSourceOptions = {}): Promise<ModelSource> {
  return openSource(
    kind === 'hub'
      ? { kind, repo: 'owner/name', endpoint: server.url }
      : { kind, url: `${server.url}/owner/name` },
    { network, store, onWarning: (warning) => warnings.push(warning), ...options },
  );
}

/** As a reload does: nothing of the old page is left but the store. */
async function reopen(kind: 'hub' | 'url', options: OpenSourceOptions = {}): Promise<ModelSource> {
  store.releaseLocks();
  server.seen.length = 0;
  return open(kind, options);
}

async function read(source: ModelSource, begin = 0, end = weightsSize): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - begin);
  let at = 0;
  for await (const chunk of source.readRange('model.safetensors', begin, end)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  expect(at).toBe(end - begin);
  return bytes;
}

function expectWeights(got: Uint8Array, begin = 0, end = weightsSize): void {
  const wanted = weights.subarray(begin, end);
  expect(Buffer.compare(got, wanted), `bytes ${begin} to ${end} differ (seed ${runSeed})`).toBe(0);
}

async function errorOf(pending: Promise<unknown>): Promise<AppError> {
  const outcome = await pending.then(
    () => 'success',
    (error: unknown) => error,
  );
  if (!(outcome instanceof AppError)) throw new Error(`expected an AppError, got ${String(outcome)}`);
  return outcome;
}

const dead = (() => Promise.reject(new TypeError('Failed to fetch'))) as typeof fetch;

describe('hub', () => {
  test('reads files through the redirect, at one commit, and gives the token to the hub alone', async () => {
    server.redirectToCdn = true;
    server.requiredToken = 'hf_secret';
    const source = await open('hub', { accessToken: 'hf_secret' });
    expect(source.name).toBe('owner/name');
    expect(await source.stat('model.safetensors')).toEqual({ size: weightsSize, etag: '"w1"' });
    expectWeights(await read(source));
    expect(new TextDecoder().decode((await source.readAll('config.json', { maxBytes: 1000 }))!)).toBe(config);
    expect(await source.stat('absent.json')).toBeNull();
    expect(await source.readAll('absent.json', { maxBytes: 1000 })).toBeNull();

    const onHub = server.seen.filter((request) => request.host === 'hub');
    const onCdn = server.seen.filter((request) => request.host === 'cdn');
    expect(onHub[0]).toMatchObject({ method: 'HEAD', path: '/owner/name/resolve/main/config.json' });
    for (const request of onHub.slice(1)) expect(request.path).toContain(`/resolve/${'a'.repeat(40)}/`);
    expect(onHub.every((request) => request.authorization === 'Bearer hf_secret')).toBe(true);
    expect(onCdn.length).toBeGreaterThan(0);
    expect(onCdn.every((request) => request.authorization === undefined)).toBe(true);
    expect(source.traffic()).toEqual({ networkBytes: weightsSize + config.length, storageBytes: 0 });
  });

  test.each([
    [undefined, 401, 'give an access token'],
    ['wrong', 403, 'check that the access token is valid'],
  ])(
    'a gated model read with token %s is refused with %i, and says what to do',
    async (token, status, advice) => {
      server.requiredToken = 'right';
      const error = await errorOf(open('hub', { accessToken: token }));
      expect(error.code).toBe('download-failed');
      expect(error.message).toContain(`the server answered ${status}`);
      expect(error.message).toContain(advice);
      expect(error.message).toContain(`accept its licence at ${server.url}/owner/name`);
      expect(server.seen).toHaveLength(1);
    },
  );

  test('an unknown repo or revision is reported without retries', async () => {
    server.files.clear();
    const error = await errorOf(open('hub', { revision: 'v9' }));
    expect(error.code).toBe('download-failed');
    expect(error.message).toContain('owner/name (v9) has no file config.json');
    expect(server.seen).toHaveLength(1);
  });

  test('a commit as revision is not resolved again', async () => {
    const source = await open('hub', { revision: 'b'.repeat(40) });
    expectWeights(await read(source));
    expect(server.seen.map(({ method }) => method)).not.toContain('HEAD');
    expect(server.seen[0]!.path).toBe(`/owner/name/resolve/${'b'.repeat(40)}/model.safetensors`);
  });

  test('a stored model is found again with one small request, and with none when offline', async () => {
    const first = await open('hub');
    await first.readAll('config.json', { maxBytes: 1000 });
    await first.stat('absent.json');
    expectWeights(await read(first));

    const online = await reopen('hub');
    expectWeights(await read(online));
    expect(server.seen.map(({ method }) => method)).toEqual(['HEAD']);
    expect(online.traffic()).toEqual({ networkBytes: 0, storageBytes: weightsSize });
    expect(warnings).toEqual([]);

    const offline = await reopen('hub', { fetch: dead });
    expect(await offline.stat('absent.json')).toBeNull();
    expect((await offline.readAll('config.json', { maxBytes: 1000 }))!.length).toBe(config.length);
    expectWeights(await read(offline));
    expect(offline.traffic().networkBytes).toBe(0);
    expect(warnings.map(({ code }) => code)).toEqual(['download-failed']);
  });

  test('a new commit keeps files of the same etag and fetches the others', async () => {
    const first = await open('hub');
    await first.readAll('config.json', { maxBytes: 1000 });
    await read(first);

    server.commit = 'b'.repeat(40);
    server.files.set('config.json', served('{"model_type":"qwen"}', '"c2"'));
    const second = await reopen('hub');
    expect(new TextDecoder().decode((await second.readAll('config.json', { maxBytes: 1000 }))!)).toContain(
      'qwen',
    );
    expectWeights(await read(second));
    expect(second.traffic()).toEqual({ networkBytes: 21, storageBytes: weightsSize });
    expect(server.seen.filter(({ path }) => path.endsWith('.safetensors'))).toHaveLength(1); // the check

    const offline = await reopen('hub', { fetch: dead });
    expectWeights(await read(offline));
    expect((await listStoredModels(store))[0]!.version).toBe('b'.repeat(40));
  });

  test('a new commit whose files say no etag is fetched whole, never mixed with the old', async () => {
    await read(await open('hub'), 0, 200_000);
    server.commit = 'b'.repeat(40);
    server.misbehave('model.safetensors', { noEtag: true });
    const source = await reopen('hub');
    await read(source);
    expect(source.traffic()).toEqual({ networkBytes: weightsSize, storageBytes: 0 });
  });
});

describe('connection faults', () => {
  test('a connection cut several times is resumed where it stopped', async () => {
    server.misbehave('model.safetensors', { cut: { afterBytes: 70_000, times: 3 } });
    const source = await open('url');
    expectWeights(await read(source));
    const begins = server.seen.map(({ range }) => Number(/=(\d+)/.exec(range ?? '')?.[1]));
    expect(begins.length).toBeGreaterThanOrEqual(4);
    expect(begins.slice(2).every((begin, index) => begin > begins[index + 1]!)).toBe(true);
    expect(source.traffic().networkBytes).toBe(weightsSize);
  });

  test('a connection that is always cut ends in an error with bytes got of expected', async () => {
    server.misbehave('model.safetensors', { cut: { afterBytes: 10, times: 1e9 } });
    const source = await open('url');
    const error = await errorOf(read(source));
    expect(error.code).toBe('download-failed');
    expect(error.message).toContain(`${server.url}/owner/name/model.safetensors`);
    expect(error.message).toContain(`got 40 of ${weightsSize - 10} bytes; 4 attempts failed`);
  });

  test('a body that ends early without an error is noticed and resumed', async () => {
    const source = await open('url');
    await source.stat('model.safetensors');
    server.misbehave('model.safetensors', { shorten: 150_000 });
    expectWeights(await read(source));
    expect(server.seen.length).toBe(3);
  });

  test('a server that claims more bytes than it has ends in an error', async () => {
    server.misbehave('model.safetensors', { claimedSize: weightsSize + 100 });
    const source = await open('url');
    const error = await errorOf(read(source, 0, weightsSize + 100));
    expect(error.code).toBe('download-failed');
    expect(error.message).toContain(`got ${weightsSize - 2 ** 16} of ${weightsSize + 100 - 2 ** 16} bytes`);
  });

  test.each([429, 500, 503])('status %i is retried', async (status) => {
    server.misbehave('model.safetensors', { fail: { status, times: 3 } });
    expectWeights(await read(await open('url')));
    expect(server.seen.length).toBe(5);
  });

  test('Retry-After is honoured, and refused when too long', async () => {
    server.misbehave('model.safetensors', { fail: { status: 429, times: 1, retryAfter: '1' } });
    const begin = performance.now();
    expectWeights(await read(await open('url')));
    expect(performance.now() - begin).toBeGreaterThan(950);

    server.misbehave('model.safetensors', { fail: { status: 429, times: 1, retryAfter: '600' } });
    const error = await errorOf(read(await open('url', { useStorage: false })));
    expect(error.message).toContain('asks to wait 600 s');
  });

  test('a silent server counts as cut', async () => {
    server.misbehave('model.safetensors', { hang: true });
    const source = await open('url', { network: { ...network, attempts: 2, idleTimeoutMs: 50 } });
    const error = await errorOf(read(source));
    expect(error.message).toContain('the server was silent for 0.05 s');
  });

  test('an abort ends a read, a wait between attempts and an opening', async () => {
    const control = new AbortController();
    const source = await open('url');
    const reading = (async () => {
      for await (const chunk of source.readRange('model.safetensors', 0, weightsSize, {
        signal: control.signal,
      })) {
        if (chunk.length > 0) control.abort();
      }
    })();
    expect((await errorOf(reading)).code).toBe('aborted');

    const waiting = new AbortController();
    server.misbehave('model.safetensors', { fail: { status: 503, times: 9, retryAfter: '2' } });
    const slow = await open('url', { useStorage: false });
    setTimeout(() => waiting.abort(), 30);
    const begin = performance.now();
    const stat = slow.stat('model.safetensors', { signal: waiting.signal });
    expect((await errorOf(stat)).code).toBe('aborted');
    expect(performance.now() - begin).toBeLessThan(1500);
    expect((await errorOf(open('hub', { signal: waiting.signal }))).code).toBe('aborted');
  });

  test('why the next attempt is waited for is told; fewer are made before the first byte', async () => {
    const reasons: string[] = [];
    const patience = { ...network, attempts: 5, firstAttempts: 3 };
    const options = {
      network: patience,
      useStorage: false,
      onWaiting: (reason: string) => reasons.push(reason),
    };
    server.misbehave('model.safetensors', { fail: { status: 503, times: 9 } });
    const never = await errorOf((await open('url', options)).stat('model.safetensors'));
    expect(never.message).toContain('3 attempts failed');
    expect(reasons.map((reason) => /503.*(Attempt \d of \d) follows/.exec(reason)?.[1])).toEqual([
      'Attempt 2 of 3',
      'Attempt 3 of 3',
    ]);
    expect(reasons[0]).toContain(`${server.url}/owner/name/model.safetensors`);

    reasons.length = 0;
    server.misbehaviours.clear();
    const begun = await open('url', options);
    await begun.stat('model.safetensors');
    server.misbehave('model.safetensors', { fail: { status: 503, times: 9 } });
    expect((await errorOf(read(begun))).message).toContain('5 attempts failed');
    expect(reasons.length).toBe(4);
  });

  test('an unreachable host is an error after bounded attempts', async () => {
    const error = await errorOf(open('hub', { fetch: dead }));
    expect(error.code).toBe('download-failed');
    expect(error.message).toContain(
      '/resolve/main/config.json: 4 attempts failed, the last because the connection',
    );
  });
});

describe('static servers', () => {
  test('a server that ignores ranges is read with the unwanted bytes skipped', async () => {
    server.misbehave('', { ignoreRange: true });
    const source = await open('url', { useStorage: false });
    expectWeights(await read(source, 123_456, 234_567), 123_456, 234_567);
    expectWeights(await read(source));
    expect(await source.stat('model.safetensors')).toEqual({ size: weightsSize, etag: '"w1"' });
  });

  test('a server that compresses and ignores ranges is read, its size counted', async () => {
    server.misbehave('', { gzip: true });
    const source = await open('url', { useStorage: false });
    expect((await source.readAll('config.json', { maxBytes: 1000 }))!.length).toBe(config.length);
    expect((await source.stat('model.safetensors'))!.size).toBe(weightsSize);
    expectWeights(await read(source));
  });

  test('a hidden Content-Range is replaced by a question for the length', async () => {
    server.misbehave('', { hideContentRange: true });
    const source = await open('url', { useStorage: false });
    expectWeights(await read(source));
    expect((await source.stat('config.json'))!.size).toBe(config.length);
  });

  test('a missing file answered by a page is missing', async () => {
    server.missingAsPage = true;
    const source = await open('url');
    expect(await source.stat('generation_config.json')).toBeNull();
    const error = await errorOf(source.readRange('nowhere.safetensors', 0, 1)[Symbol.asyncIterator]().next());
    expect(error.message).toBe(
      'name has no file nowhere.safetensors. Check the name and the revision of the model.',
    );
  });

  test('a file that changes while it is read is an error, and is fetched anew afterwards', async () => {
    const source = await open('url');
    await read(source, 0, 100_000);
    const other = weights.slice().reverse();
    server.files.set('model.safetensors', served(other, '"w2"'));
    const error = await errorOf(read(source));
    expect(error.code).toBe('download-failed');
    expect(error.message).toContain('its identity was "w1" and is now "w2"');

    const again = await reopen('url');
    expect(Buffer.compare(await read(again), other)).toBe(0);
    expect(again.traffic().storageBytes).toBe(0);
  });

  test('an empty file, a range outside the file, a large small file and bad paths', async () => {
    server.files.set('empty.txt', served(''));
    const source = await open('url');
    expect(await source.stat('empty.txt')).toMatchObject({ size: 0 });
    expect((await source.readAll('empty.txt', { maxBytes: 0 }))!.length).toBe(0);
    expect((await errorOf(read(source, 5, weightsSize + 1))).code).toBe('file-malformed');
    const tooLarge = await errorOf(source.readAll('model.safetensors', { maxBytes: 1000 }));
    expect(tooLarge.message).toContain(`has ${weightsSize} bytes; at most 1000`);
    for (const path of ['../secret', '/etc/passwd', 'a//b', 'a\\b', '']) {
      expect((await errorOf(source.stat(path))).code).toBe('file-malformed');
    }
  });
});

describe('memory', () => {
  const size = 96 * 2 ** 20;
  const block = new Uint8Array(2 ** 20).map((_, index) => index % 251);

  test('a slow reader slows the server down: what is under way stays below 16 MiB', async () => {
    const bytes = (begin: number, end: number) => block.subarray(0, end - begin);
    server.files.set('large.safetensors', { size, etag: '"l1"', bytes });
    const source = await open('url', { useStorage: false });
    let got = 0;
    let mostUnderWay = 0;
    let nextPause = 0;
    for await (const chunk of source.readRange('large.safetensors', 0, size)) {
      got += chunk.length;
      expect(chunk.length).toBeLessThanOrEqual(4 * 2 ** 20);
      if (got < nextPause) continue;
      nextPause = got + 2 ** 21;
      await new Promise((resolve) => setTimeout(resolve, 5));
      mostUnderWay = Math.max(mostUnderWay, server.sentBytes - got);
    }
    expect(got).toBe(size);
    // Socket buffers of the operating system included, which alone may take 10 MB.
    expect(mostUnderWay).toBeLessThan(16 * 2 ** 20);
  });

  test('stored bytes are read into one buffer of 1 MiB', async () => {
    const bytes = (begin: number, end: number) =>
      Uint8Array.from({ length: end - begin }, (_, index) => (begin + index) % 251);
    server.files.set('large.safetensors', { size: 5 * 2 ** 20 + 3, etag: '"l1"', bytes });
    const first = await open('url');
    for await (const _ of first.readRange('large.safetensors', 0, 5 * 2 ** 20 + 3));
    const second = await reopen('url');
    const buffers = new Set<ArrayBuffer>();
    let at = 0;
    for await (const chunk of second.readRange('large.safetensors', 0, 5 * 2 ** 20 + 3)) {
      buffers.add(chunk.buffer);
      expect(chunk[0]).toBe(at % 251);
      at += chunk.length;
    }
    expect([...buffers].map((buffer) => buffer.byteLength)).toEqual([2 ** 20]);
    expect(second.traffic().networkBytes).toBe(0);
  });
});

describe('storage', () => {
  test(`a download stopped anywhere goes on where it stopped (seed ${runSeed})`, async () => {
    for (const kind of ['hub', 'url'] as const) {
      store = new MemoryStore();
      const source = await open(kind);
      const stopAt = random.integer(70_000, 250_000);
      let got = 0;
      for await (const chunk of source.readRange('model.safetensors', 0, weightsSize)) {
        got += chunk.length;
        if (got >= stopAt) break;
      }
      const [model] = await listStoredModels(store);
      expect(model!.storedBytes).toBe(got);
      expect(model!.totalBytes).toBe(weightsSize);

      const resumed = await reopen(kind);
      expectWeights(await read(resumed));
      expect(resumed.traffic().storageBytes).toBe(got);
      expect(Math.max(...server.seen.map(({ range }) => Number(/=(\d+)/.exec(range ?? '')?.[1] ?? 0)))).toBe(
        got,
      );
    }
  });

  test(`ranges read in any order are kept, and only the holes are fetched (seed ${runSeed})`, async () => {
    const source = await open('url');
    const kept = new Set<number>();
    for (let index = 0; index < 20; index++) {
      const begin = random.integer(0, weightsSize);
      const end = random.integer(begin, Math.min(weightsSize, begin + 40_000));
      expectWeights(await read(source, begin, end), begin, end);
      for (let at = begin; at < end; at++) kept.add(at);
    }
    for (let at = 0; at < 2 ** 16; at++) kept.add(at); // came with the size
    const again = await reopen('url');
    expectWeights(await read(again));
    expect(again.traffic().storageBytes).toBe(kept.size);
  });

  test('a model at a URL is checked per file, and used unchecked when offline', async () => {
    const first = await open('url');
    await first.readAll('config.json', { maxBytes: 1000 });
    await first.stat('absent.json');
    await read(first);
    first.close();
    expect(store.openFiles).toBe(0);

    const offline = await open('url', { fetch: dead });
    expect(await offline.stat('absent.json')).toBeNull();
    expectWeights(await read(offline));
    expect(offline.traffic().networkBytes).toBe(0);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.message).toContain('the stored copy is used');
    offline.close();

    server.files.set('config.json', served('{"model_type":"other"}', '"c2"'));
    const changed = await open('url');
    expect((await changed.readAll('config.json', { maxBytes: 1000 }))!.length).toBe(22);
    // Once one file has changed, no other is used without asking.
    server.misbehave('model.safetensors', { fail: { status: 503, times: 99 } });
    expect((await errorOf(read(changed))).code).toBe('download-failed');
  });

  test('what has neither commit nor etag is not kept', async () => {
    server.misbehave('', { noEtag: true });
    const source = await open('url');
    await source.readAll('config.json', { maxBytes: 1000 });
    await read(source);
    expect(await listStoredModels(store)).toEqual([]);
    expect(warnings.map(({ code }) => code)).toEqual(['feature-missing']);
    expect(warnings[0]!.message).toContain('names neither commit, ETag nor Last-Modified');
  });

  test.each([
    ['a data file cut short', '.data', (bytes: Uint8Array<ArrayBuffer>) => bytes.slice(0, 1000)],
    ['an empty data file', '.data', () => new Uint8Array(0)],
    ['a damaged journal', '.journal', (bytes: Uint8Array<ArrayBuffer>) => bytes.fill(0, 10, 40)],
    [
      'a journal that promises too much',
      '.journal',
      (bytes: Uint8Array<ArrayBuffer>) =>
        new TextEncoder().encode(`${new TextDecoder().decode(bytes)}5 99999999\n`),
    ],
  ])('%s is found and the file fetched again', async (_, suffix, damage) => {
    const first = await open('hub');
    await read(first);
    first.close();
    store.edit(`model.safetensors${suffix}`, damage);
    const second = await reopen('hub');
    expectWeights(await read(second));
    expect(second.traffic()).toEqual({ networkBytes: weightsSize, storageBytes: 0 });
    const third = await reopen('hub');
    expectWeights(await read(third));
    expect(third.traffic().networkBytes).toBe(0);
  });

  test('a torn last journal line costs that line alone', async () => {
    const first = await open('hub');
    await read(first, 0, 200_000);
    first.close();
    store.edit('model.safetensors.journal', (bytes) =>
      new TextEncoder().encode(`${new TextDecoder().decode(bytes)}200000 2500`),
    );
    const second = await reopen('hub');
    expectWeights(await read(second));
    expect(second.traffic()).toEqual({ networkBytes: weightsSize - 200_000, storageBytes: 200_000 });
  });

  test('when storage is full loading goes on, the caller is told once, and what fitted is kept', async () => {
    store.quota = 150_000;
    const source = await open('hub');
    expectWeights(await read(source));
    await source.readAll('config.json', { maxBytes: 1000 });
    expect(warnings.map(({ code }) => code)).toEqual(['storage-full']);
    expect(warnings[0]!.message).toContain('has no room for model.safetensors of owner/name');

    store.quota = Number.POSITIVE_INFINITY;
    const again = await reopen('hub');
    expectWeights(await read(again));
    expect(again.traffic().storageBytes).toBeGreaterThanOrEqual(2 ** 16);
    expect(again.traffic().storageBytes).toBeLessThan(150_000);
  });

  test('when storage fills up in the middle of a file, the caller is told once', async () => {
    const source = await open('hub');
    let got = 0;
    for await (const chunk of source.readRange('model.safetensors', 0, weightsSize)) {
      got += chunk.length;
      if (got > 100_000) store.quota = Math.min(store.quota, store.usedBytes);
    }
    expect(got).toBe(weightsSize);
    expect(warnings.map(({ code }) => code)).toEqual(['storage-full']);
  });

  test('files another tab is downloading are read from the network, with one warning for all', async () => {
    server.files.set('other.safetensors', served('others'));
    const first = await open('hub');
    await read(first, 0, 100_000);
    await first.stat('other.safetensors');
    const second = await open('hub');
    expectWeights(await read(second));
    expect(await second.readAll('other.safetensors', { maxBytes: 6 })).toHaveLength(6);
    expect(second.traffic().storageBytes).toBe(0);
    expect(warnings.map(({ code }) => code)).toEqual(['feature-missing']);
    expect(warnings[0]!.message).toContain('owner/name is being loaded in another tab');
  });

  test('two tabs read one complete model at the same time', async () => {
    const first = await open('hub');
    await read(first);
    first.close();
    const tabs = await Promise.all([open('hub'), open('hub')]);
    for (const bytes of await Promise.all(tabs.map((tab) => read(tab)))) expectWeights(bytes);
    for (const tab of tabs) expect(tab.traffic().networkBytes).toBe(0);
    expect(warnings).toEqual([]);
  });

  test('a store that fails while it is read is left, and the rest is downloaded', async () => {
    const first = await open('hub');
    await read(first);
    first.close();
    const second = await reopen('hub');
    await second.stat('model.safetensors');
    store.failReads = true;
    expectWeights(await read(second));
    expect(second.traffic()).toEqual({ networkBytes: weightsSize, storageBytes: 0 });
    expect(warnings.map(({ code }) => code)).toEqual(['feature-missing']);
    expect(warnings[0]!.message).toContain('InvalidStateError');
  });

  test('files opened at the same time, some of them twice, are fetched once each', async () => {
    const paths = Array.from({ length: 12 }, (_, index) => `shard-${index}.safetensors`);
    for (const path of paths) server.files.set(path, served(`contents of ${path}`));
    const source = await open('hub');
    const readText = async (path: string) =>
      new TextDecoder().decode((await source.readAll(path, { maxBytes: 100 }))!);
    const texts = await Promise.all([...paths, ...paths].map(readText));
    expect(texts).toEqual([...paths, ...paths].map((path) => `contents of ${path}`));
    expect(server.seen).toHaveLength(1 + paths.length);
    expect(warnings).toEqual([]);
    expect((await listStoredModels(store))[0]!.storedBytes).toBe(texts.join('').length / 2);
  });

  test('stored models are listed and deleted, not while in use', async () => {
    const source = await open('hub');
    await read(source);
    const [model] = await listStoredModels(store);
    expect(model).toEqual({
      id: `hub ${server.url} owner/name main`,
      name: 'owner/name',
      revision: 'main',
      version: 'a'.repeat(40),
      storedBytes: weightsSize,
      totalBytes: weightsSize,
    });
    expect((await errorOf(deleteStoredModel(model!.id, store))).code).toBe('invalid-request');
    source.close();
    await deleteStoredModel(model!.id, store);
    expect(await listStoredModels(store)).toEqual([]);
  });

  test('useStorage: false keeps nothing and warns of nothing', async () => {
    await read(await open('hub', { useStorage: false }));
    expect(await store.folders()).toEqual([]);
    expect(warnings).toEqual([]);
  });
});
