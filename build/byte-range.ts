/** The part of HTTP's Range header that a model download uses: one range of bytes. */

/** begin inclusive, end exclusive. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/** 'whole': no usable Range header, so the answer is the whole file (RFC 9110 §14.2); 'unsatisfiable': answer 416. */
export function parseByteRange(
  header: string | undefined,
  size: number,
): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match) return 'whole';
  const [first, last] = [match[1]!, match[2]!];
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { begin: size - length, end: size };
  }
  const begin = Number(first);
  if (last !== '' && Number(last) < begin) return 'whole';
  if (begin >= size) return 'unsatisfiable';
  return { begin, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}
