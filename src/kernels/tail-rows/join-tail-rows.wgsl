// Adds the parts of a row's sums to its first. An invocation takes two numbers of a row.
// sums: f32 [lists, maskRows, 2, headDim]; part p of row r is where row r · parts + p would be.
struct Dims {
  maskRows: u32,
  headDim: u32,
  parts: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read_write> sums: array<vec2f>;

const lanes = 64u;

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  let at = lanes * workgroup.z + lane;
  if (row >= step.rows || at >= dims.headDim) { return; }
  let begin = (workgroup.y * dims.maskRows + row * dims.parts) * dims.headDim + at;
  var sum = vec2f();
  for (var part = 0u; part < dims.parts; part++) {
    sum += sums[begin + part * dims.headDim];
  }
  sums[begin] = sum;
}
