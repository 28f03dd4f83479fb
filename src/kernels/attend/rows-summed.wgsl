// Sums of the K and V rows that a split attends to, for the tail: what is left out is all without these.
// tailSums: f32 [lists, slots + splits, 2, headDim], K then V; see block-runs.wgsl.
@group(0) @binding(9) var<storage, read_write> tailSums: array<f32>;

// An octet of dimensions.
struct RowSums {
  keyLow: vec4f,
  keyHigh: vec4f,
  valueLow: vec4f,
  valueHigh: vec4f,
}

var<private> nearRows: RowSums;
var<private> farRows: RowSums;

fn rowsWith(sums: RowSums, count: f32, key: vec4u, value: vec4u) -> RowSums {
  return RowSums(
    sums.keyLow + count * lowHalf(key),
    sums.keyHigh + count * highHalf(key),
    sums.valueLow + count * lowHalf(value),
    sums.valueHigh + count * highHalf(value),
  );
}

fn addRow(isToken: bool, key: Row, value: Row) {
  let count = select(0.0, 1.0, isToken);
  nearRows = rowsWith(nearRows, count, key.near, value.near);
  if (octets > 1u) {
    farRows = rowsWith(farRows, count, key.far, value.far);
  }
}

// A team's shares as those of two heads: K, then V.
fn storeRows(at: u32, sums: RowSums) {
  let to = &teamSum[at];
  (*to)[0] = vec2f(sums.keyLow.x, sums.valueLow.x);
  (*to)[1] = vec2f(sums.keyLow.y, sums.valueLow.y);
  (*to)[2] = vec2f(sums.keyLow.z, sums.valueLow.z);
  (*to)[3] = vec2f(sums.keyLow.w, sums.valueLow.w);
  (*to)[4] = vec2f(sums.keyHigh.x, sums.valueHigh.x);
  (*to)[5] = vec2f(sums.keyHigh.y, sums.valueHigh.y);
  (*to)[6] = vec2f(sums.keyHigh.z, sums.valueHigh.z);
  (*to)[7] = vec2f(sums.keyHigh.w, sums.valueHigh.w);
}

// Teams meet as they do for the heads; those of the first set have seen every row. Of the workgroups that share a list,
// one writes.
fn finishRows(split: u32, list: u32, thread: u32) {
  workgroupBarrier();
  storeRows(thread, nearRows);
  if (octets > 1u) {
    storeRows(thread + threads, farRows);
  }
  workgroupBarrier();
  let out = (list * (dims.slots + dims.splits) + dims.slots + split) * 2u * headDim;
  for (var d = thread; d < headDim; d += threads) {
    var sum = sumOfTeams(d, 0u);
    if (together == 2u) {
      sum += sumOfTeams(d, sets);
    }
    tailSums[out + d] = sum.x;
    tailSums[out + headDim + d] = sum.y;
  }
}

fn writeRun(list: u32, slot: u32, word: u32, run: RowPair) {
  let at = (list * (dims.slots + dims.splits) + slot) * 2u * headDim + 2u * word;
  tailSums[at] = run.key.x;
  tailSums[at + 1u] = run.key.y;
  tailSums[at + headDim] = run.value.x;
  tailSums[at + headDim + 1u] = run.value.y;
}
