/** Packed vectors (packed-vector.ts) in plain loops. */

export interface PackedVectorRead {
  /** x · gain as rounded. */
  readonly values: Float64Array;
  /** Per octet: the unit of rounding, the sum of `values`, the sum of the squares of x. */
  readonly steps: Float64Array;
  readonly sums: Float64Array;
  readonly squares: Float64Array;
}

/** Reads the planes of a packed vector. */
export function readPackedVector(planes: Uint32Array<ArrayBuffer>): PackedVectorRead {
  const blocks = planes.length / 28;
  const floats = new Float32Array(planes.buffer, planes.byteOffset, planes.length);
  const octets = 4 * blocks;
  const plane = (index: number): Float64Array =>
    Float64Array.from({ length: octets }, (_, octet) => floats[4 * index * blocks + octet]!);
  const steps = plane(4);
  const values = Float64Array.from({ length: 8 * octets }, (_, column) => {
    const octet = column >> 3;
    const bytes = 4 * ((octet % 4) * blocks + (octet >> 2));
    const shift = 8 * ((column % 8) >> 1);
    const high = ((planes[bytes + (column % 2)]! >>> shift) << 24) >> 24;
    const low = (planes[bytes + 2 + (column % 2)]! >>> shift) & 255;
    return steps[octet]! * (256 * high + low);
  });
  return { values, steps, sums: plane(5), squares: plane(6) };
}

/** Per octet of x · gain, the unit its values are rounded to. */
export function roundingSteps(scaled: Float64Array): Float64Array {
  return Float64Array.from({ length: Math.ceil(scaled.length / 8) }, (_, octet) => {
    const sizes = scaled.subarray(8 * octet, 8 * octet + 8).map(Math.abs);
    return Math.max(...sizes, 1e-30) / 32767;
  });
}

/** Packs x · gain; both a multiple of 32 long. */
export function packVectorReference(x: Float32Array, gain: Float32Array): Uint32Array<ArrayBuffer> {
  const blocks = x.length / 32;
  const planes = new Uint32Array(28 * blocks);
  const floats = new Float32Array(planes.buffer);
  const scaled = Float64Array.from(x, (value, i) => value * gain[i]!);
  const steps = roundingSteps(scaled);
  for (let octet = 0; octet < 4 * blocks; octet++) {
    const bytes = 4 * ((octet % 4) * blocks + (octet >> 2));
    const number = (plane: number): number => 4 * plane * blocks + octet;
    floats[number(4)] = steps[octet]!;
    for (let i = 0; i < 8; i++) {
      const column = 8 * octet + i;
      const rounded = Math.round(scaled[column]! / steps[octet]!);
      const shift = 8 * (i >> 1);
      planes[bytes + (i % 2)]! |= ((rounded >> 8) & 255) << shift;
      planes[bytes + 2 + (i % 2)]! |= (rounded & 255) << shift;
      floats[number(5)]! += steps[octet]! * rounded;
      floats[number(6)]! += x[column]! ** 2;
    }
  }
  return planes;
}
