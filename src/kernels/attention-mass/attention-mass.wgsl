// The exact attention each token gets from a list's query heads, over all tokens up to the row's own:
// mass[list, row, token] = Σ_heads 2^(scale · q · k − log2 Σ 2^score). An invocation takes one token and four rows.
// query: f32 [rows, qHeads, headDim]; keys: packed f16 [kvHeads, capacity, headDim]; scales: f32 [rows, qHeads], of the
// attention over all tokens; mass: f32 [lists, rows, capacity], nothing is written beyond the chunk's last token.
struct Dims {
  rows: u32,
  listHeads: u32,
  qHeads: u32,
  group: u32,
  headDim: u32,
  capacity: u32,
  scale: f32, // includes log2(e)
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<vec2f>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> scales: array<f32>;
@group(0) @binding(5) var<storage, read_write> mass: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let token = id.x;
  let firstRow = 4u * id.y;
  let list = id.z;
  if (firstRow >= step.rows || token >= step.position + min(firstRow + 4u, step.rows)) { return; }
  let pairs = dims.headDim / 2u;
  let rows = min(firstRow + vec4u(0u, 1u, 2u, 3u), vec4u(step.rows - 1u));
  var total = vec4f();
  for (var i = 0u; i < dims.listHeads; i++) {
    let head = list * dims.listHeads + i;
    let key = (head / dims.group * dims.capacity + token) * pairs;
    let starts = (rows * dims.qHeads + head) * pairs;
    var scores = vec4f();
    for (var pair = 0u; pair < pairs; pair++) {
      let k = unpack2x16float(keys[key + pair]);
      let a = query[starts.x + pair];
      let b = query[starts.y + pair];
      let c = query[starts.z + pair];
      let d = query[starts.w + pair];
      scores += vec4f(a.x, b.x, c.x, d.x) * k.x + vec4f(a.y, b.y, c.y, d.y) * k.y;
    }
    let at = rows * dims.qHeads + head;
    let divisors = vec4f(scales[at.x], scales[at.y], scales[at.z], scales[at.w]);
    total += exp2(scores * dims.scale - divisors);
  }
  for (var i = 0u; i < 4u; i++) {
    if (firstRow + i < step.rows) {
      let isVisible = token <= step.position + firstRow + i;
      mass[(list * dims.rows + firstRow + i) * dims.capacity + token] = select(0.0, total[i], isVisible);
    }
  }
}
