// Packs x, times gain where there is a norm: an invocation an octet.
// x, gain: f32 [32 · blocks]; packedOut: packed-vector.ts.
struct Dims {
  blocks: u32,
  normed: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> gain: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> packedOut: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let octet = id.x;
  if (octet >= 4u * dims.blocks) {
    return;
  }
  var gainA = vec4f(1.0);
  var gainB = vec4f(1.0);
  if (dims.normed != 0u) {
    gainA = gain[2u * octet];
    gainB = gain[2u * octet + 1u];
  }
  leaveOctet(octet, dims.blocks, x[2u * octet], x[2u * octet + 1u], gainA, gainB);
}
