/** Reads a safetensors header. Every statement in it is checked: a file may be cut, edited or hostile.
 *  Layout: u64 little end first = length of the JSON header, the header, then the tensors without gaps.
 *  @see https://huggingface.co/docs/safetensors, section "Format" */
import { AppError } from '../errors.ts';
import { findDuplicateKey } from './json-duplicates.ts';
import { describeJson, isJsonObject, JsonFields } from './json-fields.ts';

/** Bits of one element of each dtype the format knows. */
const dtypeBits = {
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  U16: 16,
  I16: 16,
  F16: 16,
  BF16: 16,
  U32: 32,
  I32: 32,
  F32: 32,
  U64: 64,
  I64: 64,
  F64: 64,
  C64: 64,
} as const;

export type SafetensorsDtype = keyof typeof dtypeBits;

export interface TensorEntry {
  readonly name: string;
  /** Name of the file that holds it. */
  readonly file: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Absolute offsets in the file, in bytes; `end` is exclusive. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  /** In file order. */
  readonly entries: readonly TensorEntry[];
}

interface FileFacts {
  readonly file: string;
  /** Bytes. */
  readonly fileSize: number;
}

/** Longest header accepted, in bytes: the cap of the reference implementation. */
export const headerCap = 100_000_000;
const lengthBytes = 8;

/** Where the tensors begin, read from the first 8 bytes: how much of the file the header parser needs.
 *  @throws AppError "file-malformed" when the stated length is above the cap or beyond the file. */
export function safetensorsDataBegin(bytes: Uint8Array, { file, fileSize }: FileFacts): number {
  if (fileSize < lengthBytes || bytes.length < lengthBytes) {
    throw malformed(
      file,
      `has ${Math.min(fileSize, bytes.length)} bytes, fewer than the 8 of a header length`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, lengthBytes);
  const headerLength = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (headerLength > headerCap) {
    throw malformed(file, `states a header of ${headerLength} bytes; at most ${headerCap} are accepted`);
  }
  if (lengthBytes + headerLength > fileSize) {
    throw malformed(file, `states a header of ${headerLength} bytes in a file of ${fileSize}`);
  }
  return lengthBytes + headerLength;
}

/** @param bytes the file's beginning, up to `safetensorsDataBegin` at least.
 *  @throws AppError "file-malformed" naming file and tensor for whatever the header says that cannot be true. */
export function parseSafetensorsHeader(bytes: Uint8Array, facts: FileFacts): SafetensorsHeader {
  const { file, fileSize } = facts;
  const dataBegin = safetensorsDataBegin(bytes, facts);
  if (bytes.length < dataBegin) {
    throw malformed(file, `ends after ${bytes.length} bytes, inside its header of ${dataBegin} bytes`);
  }
  const header = parseHeaderJson(bytes.subarray(lengthBytes, dataBegin), file);
  const entries: TensorEntry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') entries.push(parseEntry(name, value, file, dataBegin));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, file, dataBegin, fileSize);
  return { metadata: parseMetadata(header.__metadata__, file), entries };
}

function parseHeaderJson(bytes: Uint8Array, file: string): Record<string, unknown> {
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (cause) {
    throw malformed(file, `has a header that is not JSON (${(cause as Error).message})`, undefined, cause);
  }
  if (!isJsonObject(json)) throw malformed(file, `has a header that is no object: ${describeJson(json)}`);
  const duplicate = findDuplicateKey(text);
  if (duplicate !== null) throw malformed(file, `states ${JSON.stringify(duplicate)} twice in its header`);
  return json;
}

function parseMetadata(value: unknown, file: string): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  const fields = new JsonFields(value, file, '__metadata__');
  return new Map(fields.keys().map((key) => [key, fields.string(key)]));
}

function parseEntry(name: string, value: unknown, file: string, dataBegin: number): TensorEntry {
  const fail = (fault: string) => malformed(file, fault, name);
  if (!isJsonObject(value)) throw fail(`is described by ${describeJson(value)} instead of an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(dtypeBits, dtype)) {
    throw fail(`has the unknown dtype ${describeJson(dtype)}`);
  }
  if (!isSizes(shape)) throw fail(`has the shape ${describeJson(shape)}; expected a list of sizes`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw fail(`has the offsets ${describeJson(offsets)}; expected a begin and an end not before it`);
  }
  const [begin, end] = [dataBegin + offsets[0]!, dataBegin + offsets[1]!];
  const byteLength = byteLengthOf(dtype as SafetensorsDtype, shape);
  if (byteLength === null) throw fail(`has the shape ${describeJson(shape)}, too large to count its bytes`);
  if (byteLength !== end - begin) {
    const what = `${dtype}[${shape.join(', ')}] takes ${byteLength}`;
    throw fail(`takes ${end - begin} bytes by its offsets, but ${what}`);
  }
  return { name, file, dtype: dtype as SafetensorsDtype, shape, begin, end };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Bytes of a tensor; fractional where sub-byte elements leave a byte half full, null beyond exact integers. */
function byteLengthOf(dtype: SafetensorsDtype, shape: readonly number[]): number | null {
  let bits: number = dtypeBits[dtype];
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) return null;
  }
  return bits / 8;
}

/** Tensors must follow each other without gap or overlap, from the header's end to the end of the file. */
function checkCoverage(
  entries: readonly TensorEntry[],
  file: string,
  dataBegin: number,
  fileSize: number,
): void {
  let covered = dataBegin;
  for (const { name, begin, end } of entries) {
    if (end > fileSize) {
      throw malformed(
        file,
        `ends at byte ${end}, beyond the file's ${fileSize}: the file is cut or lies`,
        name,
      );
    }
    if (begin !== covered) {
      const fault = begin < covered ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw malformed(file, `begins at byte ${begin}, expected ${covered}: it ${fault}`, name);
    }
    covered = end;
  }
  if (covered !== fileSize) {
    throw malformed(file, `has ${fileSize} bytes, but its tensors end at byte ${covered}`);
  }
}

function malformed(file: string, fault: string, tensor?: string, cause?: unknown): AppError {
  const subject = tensor === undefined ? file : `${file}: tensor ${tensor}`;
  return new AppError(
    'file-malformed',
    `${subject} ${fault}. Download the file again, or choose another model.`,
    {
      details: { file, ...(tensor === undefined ? {} : { tensor }) },
      cause,
    },
  );
}
