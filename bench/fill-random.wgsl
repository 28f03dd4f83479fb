// Fills a buffer with hashed words, or with one word repeated.
struct Dims { words: u32, seed: u32, constantWord: u32, isConstant: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < dims.words; i += groups.x * 256u) {
    var h = (i + dims.seed) * 0x9e3779b1u;
    h = (h ^ (h >> 16u)) * 0x85ebca6bu;
    h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
    out[i] = select(h ^ (h >> 16u), dims.constantWord, dims.isConstant == 1u);
  }
}
