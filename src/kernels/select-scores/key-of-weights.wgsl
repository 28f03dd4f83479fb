// The weights that `group` query heads give a token, added up. Bits of floats that are not negative have the floats' order.
// weights: f32 [lists · group, capacity]
struct Dims {
  listCapacity: u32,
  capacity: u32,
  group: u32,
}

@group(0) @binding(4) var<storage, read> weights: array<f32>;

fn keyAt(list: u32, token: u32) -> u32 {
  var sum = 0.0;
  for (var head = list * dims.group; head < (list + 1u) * dims.group; head++) {
    sum += weights[head * dims.capacity + token];
  }
  return bitcast<u32>(sum);
}
