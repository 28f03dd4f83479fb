// Fills a buffer with words of which the masked bits are hashed, and the others given.
struct Dims { words: u32, seed: u32, mask: u32, bits: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < dims.words; i += groups.x * 256u) {
    var h = (i + dims.seed) * 0x9e3779b1u;
    h = (h ^ (h >> 16u)) * 0x85ebca6bu;
    h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
    out[i] = ((h ^ (h >> 16u)) & dims.mask) | dims.bits;
  }
}
