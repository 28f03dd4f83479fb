// The smallest dispatch that depends on the one before it.
struct Dims { amount: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(1)
fn main() {
  out[0] += dims.amount;
}
