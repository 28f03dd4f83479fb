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

var<private> rowSums: array<RowSums, 8>;

fn addRow(o: u32, isToken: bool, key: vec4u, value: vec4u) {
  let count = select(0.0, 1.0, isToken);
  rowSums[o].keyLow += count * lowHalf(key);
  rowSums[o].keyHigh += count * highHalf(key);
  rowSums[o].valueLow += count * lowHalf(value);
  rowSums[o].valueHigh += count * highHalf(value);
}

// A team's shares, dimension after dimension, `row` apart.
fn storeRows(o: u32, at: u32, row: u32) {
  let sums = rowSums[o];
  teamSum[at] = vec2f(sums.keyLow.x, sums.valueLow.x);
  teamSum[at + row] = vec2f(sums.keyLow.y, sums.valueLow.y);
  teamSum[at + 2u * row] = vec2f(sums.keyLow.z, sums.valueLow.z);
  teamSum[at + 3u * row] = vec2f(sums.keyLow.w, sums.valueLow.w);
  teamSum[at + 4u * row] = vec2f(sums.keyHigh.x, sums.valueHigh.x);
  teamSum[at + 5u * row] = vec2f(sums.keyHigh.y, sums.valueHigh.y);
  teamSum[at + 6u * row] = vec2f(sums.keyHigh.z, sums.valueHigh.z);
  teamSum[at + 7u * row] = vec2f(sums.keyHigh.w, sums.valueHigh.w);
}

// Teams meet as they do for the heads. A list's query heads may be spread over workgroups: the first writes.
fn finishRows(split: u32, headBlock: u32, thread: u32) {
  let blocks = (group + 3u) / 4u;
  if (headBlock % blocks != 0u) {
    return;
  }
  let row = threads + 1u;
  for (var o = 0u; o < octets; o++) {
    storeRows(o, o * 8u * row + thread, row);
  }
  workgroupBarrier();
  let out = (headBlock / blocks * (dims.slots + dims.splits) + dims.slots + split) * 2u * headDim;
  for (var d = thread; d < headDim; d += threads) {
    let octet = d / 8u;
    let at = (octet / lanes * 8u + d % 8u) * row + octet % lanes;
    var sum = vec2f(0.0);
    for (var t = 0u; t < threads / lanes; t++) {
      sum += teamSum[at + t * lanes];
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
