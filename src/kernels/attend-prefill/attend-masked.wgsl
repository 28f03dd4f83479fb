// Of the keys up to the row's own, those whose bit is set are attended to.
// mask: u32 [lists, maskRows, maskWords]; head h has list h / headsPerList.
// scales: f32 [maskRows, qHeads]: log2 of the sum of powers of two of a row's scores, what softmax divides by.
struct Dims {
  queryStride: u32,
  outStride: u32,
  headDim: u32, // even
  group: u32, // query heads to a KV head
  capacity: u32,
  scale: f32, // includes log2(e): powers of two are taken instead of e
  headsPerList: u32,
  maskRows: u32,
  maskWords: u32,
}
@group(0) @binding(6) var<storage, read> mask: array<u32>;
@group(0) @binding(7) var<storage, read_write> scales: array<f32>;

fn maskWord(row: u32, head: u32, word: u32) -> u32 {
  let list = head / dims.headsPerList;
  return mask[(list * dims.maskRows + min(row, step.rows - 1u)) * dims.maskWords + min(word, dims.maskWords - 1u)];
}

// A word of four neighbouring rows.
fn takenOf(row: u32, head: u32, word: u32) -> vec4u {
  return vec4u(
    maskWord(row, head, word), maskWord(row + 1u, head, word),
    maskWord(row + 2u, head, word), maskWord(row + 3u, head, word),
  );
}

fn isAttended(key: u32, positions: vec4u, taken: vec4u) -> vec4<bool> {
  return ((taken >> vec4u(key % 32u)) & vec4u(1u) & vec4u(vec4u(key) <= positions)) == vec4u(1u);
}

fn storeScale(row: u32, head: u32, highest: vec4f, total: vec4f) {
  let heads = dims.outStride / dims.headDim;
  for (var i = 0u; i < 4u; i++) {
    if (row + i < step.rows) { scales[(row + i) * heads + head] = highest[i] + log2(total[i]); }
  }
}
