// Rotary position embedding of query and key, then the key and value of each row go into the cache as f16.
// Pairs are (i, i + headDim/2), as in Hugging Face's Llama:
//   y[i] = x[i] · cos − x[i + half] · sin,   y[i + half] = x[i + half] · cos + x[i] · sin
// with (cos, sin) = angles[position + row, i]. One workgroup takes one head of one row; an invocation takes whole pairs of
// neighbouring elements, because two halves share a word of the cache.
// qkv: f32 [rows, qHeads | kvHeads | kvHeads, headDim]; query: f32 [rows, qHeads, headDim];
// keyCache, valueCache: f16 [kvHeads, capacity, headDim] as words.
// `readHead` and `elementAt` come from head-plain.wgsl or head-normed.wgsl. Source: Su et al. 2021, arXiv:2104.09864.
struct Dims {
  qHeads: u32,
  kvHeads: u32,
  headDim: u32,
  capacity: u32,
  eps: f32,
}
const lanes = 32u;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> qkv: array<f32>;
@group(0) @binding(3) var<storage, read> angles: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> query: array<f32>;
@group(0) @binding(5) var<storage, read_write> keyCache: array<u32>;
@group(0) @binding(6) var<storage, read_write> valueCache: array<u32>;

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let head = workgroup.x;
  let row = workgroup.y;
  let position = step.position + row;
  // A write past the capacity would land in the next head's first tokens.
  if (row >= step.rows || position >= dims.capacity) {
    return;
  }
  let heads = dims.qHeads + 2u * dims.kvHeads;
  let input = (row * heads + head) * dims.headDim;
  let words = dims.headDim / 2u;

  if (head >= dims.qHeads + dims.kvHeads) {
    let cacheRow = ((head - dims.qHeads - dims.kvHeads) * dims.capacity + position) * words;
    for (var word = lane; word < words; word += lanes) {
      valueCache[cacheRow + word] = packHalves(vec2f(qkv[input + 2u * word], qkv[input + 2u * word + 1u]));
    }
    return;
  }

  readHead(input, head < dims.qHeads, lane);
  for (var word = lane; word < words; word += lanes) {
    let low = rotated(input, 2u * word, position);
    let high = rotated(input, 2u * word + 1u, position);
    if (head < dims.qHeads) {
      let output = (row * dims.qHeads + head) * dims.headDim + 2u * word;
      query[output] = low;
      query[output + 1u] = high;
    } else {
      keyCache[((head - dims.qHeads) * dims.capacity + position) * words + word] = packHalves(vec2f(low, high));
    }
  }
}

fn rotated(input: u32, d: u32, position: u32) -> f32 {
  let half = dims.headDim / 2u;
  if (d < half) {
    let angle = angles[position * half + d];
    return elementAt(input, d) * angle.x - elementAt(input, d + half) * angle.y;
  }
  let angle = angles[position * half + d - half];
  return elementAt(input, d) * angle.x + elementAt(input, d - half) * angle.y;
}
