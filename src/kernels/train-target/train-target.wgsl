// target[list, i, j] = Σ over the list's query heads of softmax over tokens 0 … p of
// scale · products[head, i, ·], at token j,
// for the candidates j: sink ≤ j ≤ p − window, p = positions[i]. Zero elsewhere.
// products: f32 [lists · heads, rows, tokens]; target: f32 [lists, rows, tokens].
// One workgroup per list and row.
struct Dims { rows: u32, tokens: u32, heads: u32, sink: u32, window: u32, scale: f32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> products: array<f32>;
@group(0) @binding(3) var<storage, read_write> targets: array<f32>;

override threads: u32; // a power of two
var<workgroup> parts: array<f32, threads>;

fn largestOf(lane: u32, value: f32) -> f32 {
  parts[lane] = value;
  for (var width = threads / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { parts[lane] = max(parts[lane], parts[lane + width]); }
  }
  workgroupBarrier();
  let largest = parts[0];
  workgroupBarrier();
  return largest;
}

fn sumOf(lane: u32, value: f32) -> f32 {
  parts[lane] = value;
  for (var width = threads / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { parts[lane] += parts[lane + width]; }
  }
  workgroupBarrier();
  let sum = parts[0];
  workgroupBarrier();
  return sum;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let list = group.y;
  let tokens = positions[row] + 1u;
  let end = max(tokens, dims.window) - dims.window;
  let out = (list * dims.rows + row) * dims.tokens;
  for (var head = 0u; head < dims.heads; head++) {
    let start = ((list * dims.heads + head) * dims.rows + row) * dims.tokens;
    var largest = -3.0e38;
    for (var token = lane; token < tokens; token += threads) { largest = max(largest, dims.scale * products[start + token]); }
    largest = largestOf(lane, largest);
    var sum = 0.0;
    for (var token = lane; token < tokens; token += threads) { sum += exp(dims.scale * products[start + token] - largest); }
    let share = 1.0 / sumOf(lane, sum);
    for (var token = lane; token < dims.tokens; token += threads) {
      var value = 0.0;
      if (token >= dims.sink && token < end) { value = exp(dims.scale * products[start + token] - largest) * share; }
      if (head > 0u) { value += targets[out + token]; }
      targets[out + token] = value;
    }
  }
}
