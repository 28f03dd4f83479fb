// Eight values as integers of 16 bits, for products with 4-bit weights: value ≈ step · v, |v| ≤ 32767,
// step = max|value| / 32767, and v = 256 · high + low, high a signed byte and low an unsigned one.
struct PackedOctet {
  // In the order in which a word's nibbles come apart. x: high bytes of columns 0, 2, 4, 6; y: of 1, 3, 5, 7; z, w: low bytes.
  bytes: vec4u,
  step: f32,
  sum: f32, // of the values as rounded
}

fn packOctet(a: vec4f, b: vec4f) -> PackedOctet {
  let sizes = max(abs(a), abs(b));
  let largest = max(max(max(sizes.x, sizes.y), max(sizes.z, sizes.w)), 1e-30); // where all are zero
  // adding 1.5 · 2²³ rounds to an integer and leaves it, in two's complement, at the end of the float's bits
  let roundedA = bitcast<vec4u>(a * (32767.0 / largest) + 12582912.0);
  let roundedB = bitcast<vec4u>(b * (32767.0 / largest) + 12582912.0);
  let pairs = (roundedA & vec4u(0xffffu)) | (roundedB << vec4u(16u)); // columns (0, 4), (1, 5), (2, 6), (3, 7)
  let high = ((pairs.xy >> vec2u(8u)) & vec2u(0x00ff00ffu)) | (pairs.zw & vec2u(0xff00ff00u));
  let low = (pairs.xy & vec2u(0x00ff00ffu)) | ((pairs.zw & vec2u(0x00ff00ffu)) << vec2u(8u));
  const ones = 0x01010101u;
  let sum = 256 * (dot4I8Packed(high.x, ones) + dot4I8Packed(high.y, ones))
    + i32(dot4U8Packed(low.x, ones) + dot4U8Packed(low.y, ones));
  let step = largest / 32767.0;
  return PackedOctet(vec4u(high, low), step, step * f32(sum));
}

// Leaves an octet of a vector of `blocks` · 32 values, packed times the gain of who reads it, in the layout of
// packed-vector.ts. packedOut: array<u32>, declared by the kernel.
fn leaveOctet(octet: u32, blocks: u32, a: vec4f, b: vec4f, gainA: vec4f, gainB: vec4f) {
  let packed = packOctet(a * gainA, b * gainB);
  let block = octet / 4u;
  let word = octet % 4u;
  let at = 4u * (word * blocks + block);
  packedOut[at] = packed.bytes.x;
  packedOut[at + 1u] = packed.bytes.y;
  packedOut[at + 2u] = packed.bytes.z;
  packedOut[at + 3u] = packed.bytes.w;
  packedOut[4u * (4u * blocks + block) + word] = bitcast<u32>(packed.step);
  packedOut[4u * (5u * blocks + block) + word] = bitcast<u32>(packed.sum);
  packedOut[4u * (6u * blocks + block) + word] = bitcast<u32>(dot(a, a) + dot(b, b));
}
