import { describe, expect, test } from 'vitest';
import { Random, runSeed } from '../../../kernels/testing/random.ts';
import { bodyChunks } from './body-chunks.ts';

const random = new Random(runSeed);
const pieces = [1, 70_000, 3_000_000, 5, 1_048_576].map(
  (size) => new Uint8Array(random.words(Math.ceil(size / 4)).buffer, 0, size),
);
const whole = Buffer.concat(pieces);

/** `type` 'bytes' makes a byte stream, as the bodies of answers are. */
function streamOf(type: 'bytes' | undefined): ReadableStream<Uint8Array<ArrayBuffer>> {
  const left = pieces.map((piece) => piece.slice());
  const pull = (controller: ReadableByteStreamController | ReadableStreamDefaultController): void => {
    const piece = left.shift();
    if (piece) controller.enqueue(piece);
    else controller.close();
    if (!piece && 'byobRequest' in controller) controller.byobRequest?.respond(0);
  };
  return (type ? new ReadableStream({ type, pull }) : new ReadableStream({ pull })) as ReadableStream<
    Uint8Array<ArrayBuffer>
  >;
}

describe(`chunks of a body (seed ${runSeed})`, () => {
  test.each([{ type: 'bytes' }, { type: undefined }] as const)(
    'of type $type: every byte in order',
    async ({ type }) => {
      const next = bodyChunks(streamOf(type));
      const copies: Uint8Array[] = [];
      for (let chunk = await next(); chunk; chunk = await next()) copies.push(chunk.slice());
      expect(Buffer.concat(copies).equals(whole)).toBe(true);
    },
  );

  test('all chunks share one buffer of 1 MiB, which the next one takes over', async () => {
    const next = bodyChunks(streamOf('bytes'));
    let previous: Uint8Array | undefined;
    for (let chunk = await next(); chunk; chunk = await next()) {
      expect(chunk.buffer.byteLength).toBe(2 ** 20);
      expect(previous?.buffer.byteLength ?? 0).toBe(0);
      previous = chunk;
    }
    expect(previous).toBeDefined();
  });
});
