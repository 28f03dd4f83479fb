// What a merge starts from with the tail: one more token that stands for the candidates left out, with their mean key,
// their mean value and weight log(count): score = q · mean key / sqrt(headDim) + log(count).
// query: f32 [qHeads, headDim]; tailSums: f32 [lists, slots + splits, 2, headDim]: sums over all tokens, then over those
// attended to; see block-runs.wgsl and rows-summed.wgsl.
struct Dims {
  splits: u32,
  slots: u32,
  group: u32, // query heads per list
}

@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> budget: Budget;
@group(0) @binding(5) var<storage, read> query: array<vec4f>;
@group(0) @binding(6) var<storage, read> tailSums: array<vec4f>;

struct Merged {
  top: f32,    // largest score
  weight: f32, // sum of weights relative to it
  sum: vec4f,  // weighted values, four dimensions
}

var<workgroup> sliceKey: array<vec4f, threads>;
var<workgroup> products: array<f32, 64>;

// The first slice of invocations starts with the token, the others with nothing.
fn startOf(head: u32, vector: u32, thread: u32) -> Merged {
  let nothing = Merged(noScore, 0.0, vec4f(0.0));
  let attended = attendedSetOf(budget, step.position + 1u);
  let leftOut = f32(attended.windowStart - attended.sinkEnd - attended.selected);
  if (leftOut == 0.0) {
    return nothing;
  }
  let rowVectors = headDim / 4u;
  let list = head / dims.group;
  var key = vec4f(0.0);
  var value = vec4f(0.0);
  let parts = dims.slots + dims.splits;
  for (var first = thread / rowVectors; first < parts; first += 4u * slices) {
    let part = first + slices * vec4u(0u, 1u, 2u, 3u);
    let row = (list * parts + min(part, vec4u(parts - 1u))) * 2u * rowVectors + vector;
    let key0 = tailSums[row.x];
    let key1 = tailSums[row.y];
    let key2 = tailSums[row.z];
    let key3 = tailSums[row.w];
    let value0 = tailSums[row.x + rowVectors];
    let value1 = tailSums[row.y + rowVectors];
    let value2 = tailSums[row.z + rowVectors];
    let value3 = tailSums[row.w + rowVectors];
    let sign = select(vec4f(-1.0), vec4f(1.0), part < vec4u(dims.slots))
      * select(vec4f(0.0), vec4f(1.0), part < vec4u(parts));
    key += (key0 * sign.x + key1 * sign.y) + (key2 * sign.z + key3 * sign.w);
    value += (value0 * sign.x + value1 * sign.y) + (value2 * sign.z + value3 * sign.w);
  }
  sliceKey[thread] = key;
  sliceSum[thread] = value;
  workgroupBarrier();
  if (thread < rowVectors) {
    for (var slice = 1u; slice < slices; slice++) {
      key += sliceKey[slice * rowVectors + vector];
      value += sliceSum[slice * rowVectors + vector];
    }
    products[thread] = dot(query[head * rowVectors + vector], key);
  }
  workgroupBarrier();
  if (thread >= rowVectors) {
    return nothing;
  }
  var product = 0.0;
  for (var i = 0u; i < headDim / 4u; i++) {
    product += products[i];
  }
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  return Merged(product * scale / leftOut + log2(leftOut), 1.0, value / leftOut);
}
