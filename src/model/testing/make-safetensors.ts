/** Writes safetensors bytes for tests, truthful or not. */

/** The bytes of a file: `header` as given (an object is written as JSON), then `dataLength` bytes 0, 1, 2 … */
export function makeSafetensors(header: unknown, dataLength: number): Uint8Array<ArrayBuffer> {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + json.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  for (let i = 0; i < dataLength; i++) bytes[8 + json.length + i] = i & 255;
  return bytes;
}
