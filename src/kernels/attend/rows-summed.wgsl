// Sums of the K and V rows that a split attends to, for the tail: what is left out is all without these.
// tailSums: f32 [lists, slots + splits, 2, headDim], K then V; see block-runs.wgsl.
const rowPairs = 1u;

@group(0) @binding(9) var<storage, read_write> tailSums: array<f32>;

// An octet of dimensions.
struct RowSums {
  keyLow: vec4f,
  keyHigh: vec4f,
  valueLow: vec4f,
  valueHigh: vec4f,
}

fn addRow(sums: RowSums, count: f32, key: vec4u, value: vec4u) -> RowSums {
  return RowSums(
    sums.keyLow + count * lowHalf(key),
    sums.keyHigh + count * highHalf(key),
    sums.valueLow + count * lowHalf(value),
    sums.valueHigh + count * highHalf(value),
  );
}

// A team's shares, dimension after dimension, `row` apart.
fn storeRows(sums: RowSums, at: u32, row: u32) {
  teamSum[at] = vec2f(sums.keyLow.x, sums.valueLow.x);
  teamSum[at + row] = vec2f(sums.keyLow.y, sums.valueLow.y);
  teamSum[at + 2u * row] = vec2f(sums.keyLow.z, sums.valueLow.z);
  teamSum[at + 3u * row] = vec2f(sums.keyLow.w, sums.valueLow.w);
  teamSum[at + 4u * row] = vec2f(sums.keyHigh.x, sums.valueHigh.x);
  teamSum[at + 5u * row] = vec2f(sums.keyHigh.y, sums.valueHigh.y);
  teamSum[at + 6u * row] = vec2f(sums.keyHigh.z, sums.valueHigh.z);
  teamSum[at + 7u * row] = vec2f(sums.keyHigh.w, sums.valueHigh.w);
}

fn writeRowSum(list: u32, split: u32, d: u32, sum: vec2f) {
  let at = (list * (dims.slots + dims.splits) + dims.slots + split) * 2u * headDim + d;
  tailSums[at] = sum.x;
  tailSums[at + headDim] = sum.y;
}

fn writeRun(list: u32, slot: u32, word: u32, run: RowPair) {
  let at = (list * (dims.slots + dims.splits) + slot) * 2u * headDim + 2u * word;
  tailSums[at] = run.key.x;
  tailSums[at + 1u] = run.key.y;
  tailSums[at + headDim] = run.value.x;
  tailSums[at + headDim + 1u] = run.value.y;
}
