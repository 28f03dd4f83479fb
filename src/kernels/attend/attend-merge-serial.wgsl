// The second half of decode attention for adapters that run on the CPU: one invocation takes four dimensions of one query head over
// all splits. Same formula and layouts as attend-merge.wgsl.
// Dims, begin and startOf come from merge-start.wgsl or merge-tail-serial.wgsl.
override headDim: u32;

const noScore = -3.0e38;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let head = workgroup.x;
  begin(head, thread);
  let rowVectors = (headDim + 3u) / 4u;
  for (var vector = thread; vector < rowVectors; vector += 16u) {
    let start = startOf(head, vector, thread);
    var top = start.top;
    var weight = start.weight;
    var sum = start.sum;
    for (var split = 0u; split < dims.splits; split++) {
      let row = (head * dims.splits + split) * (rowVectors + 1u);
      let stats = partials[row + rowVectors];
      let highest = max(top, stats.x);
      let keep = exp2(top - highest);
      let gain = exp2(stats.x - highest);
      sum = sum * keep + partials[row + vector] * gain;
      weight = weight * keep + stats.y * gain;
      top = highest;
    }
    for (var i = 0u; i < 4u; i++) {
      if (4u * vector + i < headDim) {
        out[head * headDim + 4u * vector + i] = sum[i] / weight;
      }
    }
  }
}
