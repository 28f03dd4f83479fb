// Heads of query, key and value as they leave a product: rotated by the position as rope-append.wgsl says, queries f32
// [qHeads, headDim], keys and values in their caches, f16 [kvHeads, capacity, headDim] as words.
// `anglesAt`, `leaveKeys` and `leaveValues` come from the kernel.
@group(0) @binding(9) var<uniform> step: Step;

// Elements of a head from `element` on, in its lower half, rotated with those half a head on: low, high; of these, the upper.
fn rotated(head: u32, element: u32, low: vec2f, high: vec2f, isUpper: bool) -> vec2f {
  if (head >= dims.qHeads + dims.kvHeads) {
    return select(low, high, isUpper);
  }
  // cos, sin, cos, sin
  let angles = anglesAt((step.position * (dims.headDim / 2u) + element) / 2u);
  if (isUpper) {
    return high * angles.xz + low * angles.yw;
  }
  return low * angles.xz - high * angles.yw;
}

fn leaveElements(head: u32, element: u32, values: vec2f) {
  if (head < dims.qHeads) {
    let at = head * dims.headDim + element;
    out[at] = values.x;
    out[at + 1u] = values.y;
    return;
  }
  // a write past the capacity would land in the next head's first tokens
  if (step.position >= dims.capacity) {
    return;
  }
  let isValue = head >= dims.qHeads + dims.kvHeads;
  let kvHead = head - dims.qHeads - select(0u, dims.kvHeads, isValue);
  let at = ((kvHead * dims.capacity + step.position) * dims.headDim + element) / 2u;
  if (isValue) {
    leaveValues(at, packHalves(values));
  } else {
    leaveKeys(at, packHalves(values));
  }
}
