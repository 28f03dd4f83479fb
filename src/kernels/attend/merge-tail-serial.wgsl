// merge-tail.wgsl without barriers, for any even headDim: every invocation works out the score for itself.
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

fn startOf(head: u32, vector: u32, thread: u32) -> Merged {
  let attended = attendedSetOf(budget, step.position + 1u);
  let leftOut = f32(attended.windowStart - attended.sinkEnd - attended.selected);
  if (leftOut == 0.0) {
    return Merged(noScore, 0.0, vec4f(0.0));
  }
  let rows = head / dims.group * dims.slots;
  // A dimension beyond the row repeats the last one and is not written.
  let d = min(4u * vector + vec4u(0u, 1u, 2u, 3u), vec4u(headDim - 1u));
  var product = 0.0;
  var value = vec4f(0.0);
  for (var slot = 0u; slot < dims.slots; slot++) {
    let row = (rows + slot) * 2u * headDim;
    for (var i = 0u; i < headDim; i++) {
      product += query[head * headDim + i] * tailSums[row + i];
    }
    let at = row + headDim + d;
    value += vec4f(tailSums[at.x], tailSums[at.y], tailSums[at.z], tailSums[at.w]);
  }
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  return Merged(product * scale / leftOut + log2(leftOut), 1.0, value / leftOut);
}
