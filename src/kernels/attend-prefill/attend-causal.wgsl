// Every key up to the row's own is attended to.
struct Dims {
  queryStride: u32,
  outStride: u32,
  headDim: u32, // even
  group: u32, // query heads to a KV head
  capacity: u32,
  scale: f32, // includes log2(e): powers of two are taken instead of e
}

fn takenOf(row: u32, head: u32, word: u32) -> vec4u { return vec4u(); }

fn isAttended(key: u32, positions: vec4u, taken: vec4u) -> vec4<bool> {
  return vec4u(key) <= positions;
}

fn storeScale(row: u32, head: u32, highest: vec4f, total: vec4f) {}
