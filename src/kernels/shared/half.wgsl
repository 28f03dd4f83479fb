// f32 bits to IEEE half bits, to nearest, ties to even, in integers: pack2x16float may round otherwise and flush
// subnormals. Overflow gives infinity's bits 0x7c00, as does a NaN; callers look for both beforehand.
fn halfFromFloatBits(bits: u32) -> u32 {
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x47800000u) { return sign | 0x7c00u; }
  if (magnitude >= 0x38800000u) {
    return sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13u) & 1u)) >> 13u);
  }
  // Below 2^-14 the result counts units of 2^-24.
  let exponent = magnitude >> 23u;
  if (exponent < 102u) { return sign; }
  let shift = 126u - exponent;
  let mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  let units = mantissa >> shift;
  let rest = mantissa & ((1u << shift) - 1u);
  let half = 1u << (shift - 1u);
  return sign | (units + u32(rest > half || (rest == half && (units & 1u) == 1u)));
}

// Two floats as a word of halves. To nearest, ties to even; beyond the largest half saturates, so that a cache never holds an
// infinity.
fn packHalves(values: vec2f) -> u32 {
  let limited = clamp(values, vec2f(-65504.0), vec2f(65504.0));
  return halfFromFloatBits(bitcast<u32>(limited.x)) | (halfFromFloatBits(bitcast<u32>(limited.y)) << 16u);
}

// IEEE half bits to f32 bits, exact; infinities and NaN keep an exponent of all ones.
fn floatBitsFromHalf(half: u32) -> u32 {
  let sign = (half & 0x8000u) << 16u;
  let magnitude = half & 0x7fffu;
  if (magnitude >= 0x7c00u) { return sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13u); }
  if (magnitude >= 0x0400u) { return sign | ((magnitude << 13u) + 0x38000000u); }
  // A subnormal is an integer times 2^-24.
  return sign | bitcast<u32>(f32(magnitude) * 0x1p-24f);
}

fn isFiniteBits(bits: u32) -> bool {
  return (bits & 0x7f800000u) != 0x7f800000u;
}
