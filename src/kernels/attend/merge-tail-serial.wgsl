// merge-tail.wgsl for small workgroups and any even headDim.
struct Dims {
  splits: u32,
  slots: u32,
  group: u32, // query heads per list
}

@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<uniform> budget: Budget;
@group(0) @binding(5) var<storage, read> query: array<f32>;
@group(0) @binding(6) var<storage, read> tailSums: array<f32>;

struct Merged {
  top: f32,    // largest score
  weight: f32, // sum of weights relative to it
  sum: vec4f,  // weighted values, four dimensions
}

var<workgroup> products: array<f32, 16>;

// The product of the query with the sum of the keys left out, each invocation some dimensions of it.
fn begin(head: u32, thread: u32) {
  let parts = dims.slots + dims.splits;
  var product = 0.0;
  for (var d = thread; d < headDim; d += 16u) {
    var key = 0.0;
    for (var part = 0u; part < parts; part++) {
      let sign = select(-1.0, 1.0, part < dims.slots);
      key += sign * tailSums[(head / dims.group * parts + part) * 2u * headDim + d];
    }
    product += query[head * headDim + d] * key;
  }
  products[thread] = product;
  workgroupBarrier();
}

fn startOf(head: u32, vector: u32, thread: u32) -> Merged {
  let attended = attendedSetOf(budget, step.position + 1u);
  let leftOut = f32(attended.windowStart - attended.sinkEnd - attended.selected);
  if (leftOut == 0.0) {
    return Merged(noScore, 0.0, vec4f(0.0));
  }
  let parts = dims.slots + dims.splits;
  // A dimension beyond the row repeats the last one and is not written.
  let d = min(4u * vector + vec4u(0u, 1u, 2u, 3u), vec4u(headDim - 1u));
  var value = vec4f(0.0);
  for (var part = 0u; part < parts; part++) {
    let sign = select(-1.0, 1.0, part < dims.slots);
    let at = ((head / dims.group * parts + part) * 2u + 1u) * headDim + d;
    value += sign * vec4f(tailSums[at.x], tailSums[at.y], tailSums[at.z], tailSums[at.w]);
  }
  var product = 0.0;
  for (var i = 0u; i < 16u; i++) {
    product += products[i];
  }
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  return Merged(product * scale / leftOut + log2(leftOut), 1.0, value / leftOut);
}
