// Sums of the K and V rows that a split attends to, for the tail: what is left out is all without these.
// tailSums: f32 [lists, slots + splits, 2, headDim], K then V; see block-runs.wgsl.
@group(0) @binding(9) var<storage, read_write> tailSums: array<f32>;

// An octet of dimensions.
struct RowSum {
  low: vec4f,
  high: vec4f,
}

var<private> nearKeys: RowSum;
var<private> farKeys: RowSum;
var<private> nearValues: RowSum;
var<private> farValues: RowSum;

fn rowsWith(sum: RowSum, isToken: bool, row: vec4u) -> RowSum {
  let count = select(0.0, 1.0, isToken);
  return RowSum(sum.low + count * lowHalf(row), sum.high + count * highHalf(row));
}

fn addKey(isToken: bool, key: Row) {
  nearKeys = rowsWith(nearKeys, isToken, key.near);
  if (octets > 1u) {
    farKeys = rowsWith(farKeys, isToken, key.far);
  }
}

fn addValue(isToken: bool, value: Row) {
  nearValues = rowsWith(nearValues, isToken, value.near);
  if (octets > 1u) {
    farValues = rowsWith(farValues, isToken, value.far);
  }
}

// A team's shares as those of two heads: K, then V.
fn storeRows(at: u32, keys: RowSum, values: RowSum) {
  let to = &teamSum[at];
  (*to)[0] = vec2f(keys.low.x, values.low.x);
  (*to)[1] = vec2f(keys.low.y, values.low.y);
  (*to)[2] = vec2f(keys.low.z, values.low.z);
  (*to)[3] = vec2f(keys.low.w, values.low.w);
  (*to)[4] = vec2f(keys.high.x, values.high.x);
  (*to)[5] = vec2f(keys.high.y, values.high.y);
  (*to)[6] = vec2f(keys.high.z, values.high.z);
  (*to)[7] = vec2f(keys.high.w, values.high.w);
}

// Teams meet as they do for the heads; those of the first set have seen every row. Of the workgroups that share a list,
// one writes.
fn finishRows(split: u32, list: u32, thread: u32) {
  workgroupBarrier();
  storeRows(thread, nearKeys, nearValues);
  if (octets > 1u) {
    storeRows(thread + threads, farKeys, farValues);
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

fn writeRun(list: u32, slot: u32, word: u32, total: RowPair) {
  let at = (list * (dims.slots + dims.splits) + slot) * 2u * headDim + 2u * word;
  tailSums[at] = total.key.x;
  tailSums[at + 1u] = total.key.y;
  tailSums[at + headDim] = total.value.x;
  tailSums[at + headDim + 1u] = total.value.y;
}
