// Element i of `source` as f32 bits; source holds F16, two to a word, first in the low half.
fn sourceBitsAt(i: u32) -> u32 {
  return floatBitsFromHalf((source[i >> 1u] >> ((i & 1u) * 16u)) & 0xffffu);
}
