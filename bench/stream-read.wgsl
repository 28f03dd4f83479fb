// Reads a buffer from end to end, 64 bytes per invocation and turn, and keeps one word so that nothing is dropped.
struct Dims { vectors: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let stride = groups.x * 256u;
  var sum = vec4u(0u);
  for (var i = id.x; i < dims.vectors; i += 4u * stride) {
    let a = x[i];
    let b = x[i + stride];
    let c = x[i + 2u * stride];
    let d = x[i + 3u * stride];
    sum ^= a ^ b ^ c ^ d;
  }
  if ((sum.x ^ sum.y ^ sum.z ^ sum.w) == 0x12345678u) {
    out[0] = id.x;
  }
}
