// Element i of `source` as f32 bits; source holds F32.
fn sourceBitsAt(i: u32) -> u32 {
  return source[i];
}
