/** Bytes read at a time. */
const bufferBytes = 2 ** 20;

/** Reads a body piece by piece; null at its end. A piece is valid until the next is asked for: all of them share
 *  one buffer, where bodies allow it, so that a download of gigabytes leaves no garbage behind. */
export function bodyChunks(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): () => Promise<Uint8Array<ArrayBuffer> | null> {
  const reader = byteReader(body);
  if (!reader) {
    const plain = body.getReader();
    return async () => (await plain.read()).value ?? null;
  }
  let buffer = new ArrayBuffer(bufferBytes);
  return async () => {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) return null;
    buffer = value.buffer;
    return value;
  };
}

/** null where the body is no byte stream. */
function byteReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader | null {
  try {
    return body.getReader({ mode: 'byob' });
  } catch {
    return null;
  }
}
