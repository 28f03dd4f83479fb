// The more attention mass, the smaller a token's key. mass: f32 [lists, rows, capacity], not negative.
struct Dims {
  rows: u32,
  maskWords: u32,
  capacity: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(4) var<storage, read> mass: array<f32>;

fn keyOf(list: u32, row: u32, token: u32) -> u32 {
  return ~bitcast<u32>(mass[(list * dims.rows + row) * dims.capacity + token]);
}
