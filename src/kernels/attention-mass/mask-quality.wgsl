// How good a row's choice of tokens is, an invocation per (list, row): the attention mass it catches, and how many of
// its tokens the exact choice has too. mass: f32 [lists, rows, capacity]; masks: u32 [lists, rows, maskWords];
// quality: f32 [lists, rows, 2]: mass caught, summed over the list's heads; tokens in both masks.
struct Dims {
  rows: u32,
  maskWords: u32,
  capacity: u32,
  lists: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> mass: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<u32>;
@group(0) @binding(4) var<storage, read> exactMask: array<u32>;
@group(0) @binding(5) var<storage, read_write> quality: array<vec2f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = id.x;
  let row = at % dims.rows;
  if (at >= dims.lists * dims.rows || row >= step.rows) { return; }
  var caught = 0.0;
  var both = 0u;
  for (var word = 0u; 32u * word <= step.position + row; word++) {
    var bits = mask[at * dims.maskWords + word];
    both += countOneBits(bits & exactMask[at * dims.maskWords + word]);
    while (bits != 0u) {
      caught += mass[at * dims.capacity + 32u * word + firstTrailingBit(bits)];
      bits &= bits - 1u;
    }
  }
  quality[at] = vec2f(caught, f32(both));
}
