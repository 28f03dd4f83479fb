// hash-query.wgsl for maps of at most three stages that are at most 128 wide, with subgroups. Four lanes, a quad, share
// two rows of every stage: the weights of all stages are read at once, before the input is there, and a row's sum takes
// two exchanges in the quad. Everything has a name, because what is indexed does not stay in registers.
override octets: u32; // of a row per lane: 1, 2 or 4; the maps are at most 32 · octets wide
override threads = 64u * octets;

@group(0) @binding(10) var<storage, read_write> mapped: array<f32>;

// Of the input and the first two stages, zeros beyond their width; by pairs, because one invocation must write all of a
// vector, and a quad is left with two rows.
var<workgroup> activations: array<vec2f, 48u * octets>;
var<workgroup> signs: array<atomic<u32>, 2>;

// Where the numbers of a stage begin; without outputs, there is no such stage.
struct Stage {
  inputs: u32,
  outputs: u32,
  weights: u32,
  biases: u32,
}

// A lane's octets of two rows, and the bias of one.
struct Rows {
  a0: vec4u, a1: vec4u, a2: vec4u, a3: vec4u,
  b0: vec4u, b1: vec4u, b2: vec4u, b3: vec4u,
  bias: f32,
}

fn stageAfter(stage: Stage, outputs: u32, heads: u32) -> Stage {
  let rows = heads * stage.outputs;
  return Stage(stage.outputs, outputs, stage.weights + rows * ((stage.inputs + 7u) / 8u), stage.biases + rows);
}

// A row beyond the outputs repeats the last one, an octet beyond the row its last one, against zeros.
fn readRows(kind: u32, head: u32, stage: Stage, thread: u32) -> Rows {
  var rows = Rows();
  if (stage.outputs == 0u) {
    return rows;
  }
  let lane = thread % 4u;
  let rowOctets = (stage.inputs + 7u) / 8u;
  let row = head * stage.outputs + min(thread / 4u * 2u + vec2u(0u, 1u), vec2u(stage.outputs - 1u));
  let a = stage.weights + row.x * rowOctets;
  let b = stage.weights + row.y * rowOctets;
  let octet = min(lane + vec4u(0u, 4u, 8u, 12u), vec4u(rowOctets - 1u));
  rows.a0 = weightAt(kind, a + octet.x);
  rows.b0 = weightAt(kind, b + octet.x);
  if (octets > 1u) {
    rows.a1 = weightAt(kind, a + octet.y);
    rows.b1 = weightAt(kind, b + octet.y);
  }
  if (octets > 2u) {
    rows.a2 = weightAt(kind, a + octet.z);
    rows.b2 = weightAt(kind, b + octet.z);
    rows.a3 = weightAt(kind, a + octet.w);
    rows.b3 = weightAt(kind, b + octet.w);
  }
  rows.bias = biasAt(kind, stage.biases + select(row.x, row.y, lane % 2u == 1u));
  return rows;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = rowOf(thread);
  let isRow = thread % 4u < 2u && row < dims.bits;
  if (workgroup.x < dims.qHeads) {
    let head = workgroup.x;
    let value = mapValue(ofQuery, widths[0], dims.qHeads, head, thread);
    if (isRow) {
      mapped[head * dims.bits + row] = value;
    }
    return;
  }
  // A write past the capacity would land in the next head's first tokens.
  if (step.position >= dims.capacity) { return; }
  let head = workgroup.x - dims.qHeads;
  if (mapValue(ofKey, widths[4], dims.signatureHeads, head, thread) > 0.0 && isRow) {
    atomicOr(&signs[row / 32u], 1u << (row % 32u));
  }
  workgroupBarrier();
  if (thread < dims.bits / 32u) {
    signatures[(head * dims.capacity + step.position) * (dims.bits / 32u) + thread] = atomicLoad(&signs[thread]);
  }
}

// One value of a head's map: of row `rowOf(thread)` of the last stage. `kind` is known where this is called, so that reading
// the weights does not branch.
fn mapValue(kind: u32, wide: vec4u, heads: u32, head: u32, thread: u32) -> f32 {
  let first = Stage(wide.x, wide.y, 0u, 0u);
  let second = stageAfter(first, wide.z, heads);
  let third = stageAfter(second, wide.w, heads);
  let firstRows = readRows(kind, head, first, thread);
  let secondRows = readRows(kind, head, second, thread);
  let thirdRows = readRows(kind, head, third, thread);
  if (thread < 16u * octets) {
    activations[thread] = inputPair(kind, head, thread);
  }
  workgroupBarrier();
  var value = rowSum(firstRows, 0u, thread);
  if (second.outputs > 0u) {
    store(value, first.outputs, 8u * octets, thread);
    workgroupBarrier();
    value = rowSum(secondRows, 8u * octets, thread);
    if (third.outputs > 0u) {
      store(value, second.outputs, 16u * octets, thread);
      workgroupBarrier();
      value = rowSum(thirdRows, 16u * octets, thread);
    }
  }
  return value;
}

// The row whose sum a lane is left with.
fn rowOf(thread: u32) -> u32 {
  return thread / 4u * 2u + thread % 2u;
}

// The sum of one of the lane's rows over the input from quad `source` on, in the order of signature-map.wgsl.
fn rowSum(rows: Rows, source: u32, thread: u32) -> f32 {
  let at = source + thread % 4u * 2u;
  let x0 = activationQuad(at);
  let y0 = activationQuad(at + 1u);
  var a = withOctet(0.0, rows.a0, x0, y0);
  var b = withOctet(0.0, rows.b0, x0, y0);
  if (octets > 1u) {
    let x1 = activationQuad(at + 8u);
    let y1 = activationQuad(at + 9u);
    var upperA = withOctet(0.0, rows.a1, x1, y1);
    var upperB = withOctet(0.0, rows.b1, x1, y1);
    if (octets > 2u) {
      let x2 = activationQuad(at + 16u);
      let y2 = activationQuad(at + 17u);
      let x3 = activationQuad(at + 24u);
      let y3 = activationQuad(at + 25u);
      a = withOctet(a, rows.a2, x2, y2);
      b = withOctet(b, rows.b2, x2, y2);
      upperA = withOctet(upperA, rows.a3, x3, y3);
      upperB = withOctet(upperB, rows.b3, x3, y3);
    }
    a += upperA;
    b += upperB;
  }
  let isOdd = thread % 2u == 1u;
  var sum = select(a, b, isOdd) + quadSwapX(select(b, a, isOdd));
  sum += quadSwapY(sum);
  return sum + rows.bias;
}

// The sum with the products of one octet added in order of columns.
fn withOctet(sum: f32, weights: vec4u, low: vec4f, high: vec4f) -> f32 {
  let a = unpack2x16float(weights.x);
  let b = unpack2x16float(weights.y);
  let c = unpack2x16float(weights.z);
  let d = unpack2x16float(weights.w);
  var result = fma(a.y, low.y, fma(a.x, low.x, sum));
  result = fma(b.y, low.w, fma(b.x, low.z, result));
  result = fma(c.y, high.y, fma(c.x, high.x, result));
  return fma(d.y, high.w, fma(d.x, high.z, result));
}

// What a stage gives becomes the next one's input, from quad `to` on.
fn store(value: f32, outputs: u32, to: u32, thread: u32) {
  let own = select(0.0, silu(vec4f(value)).x, rowOf(thread) < outputs);
  let other = quadSwapX(own);
  if (thread % 4u == 0u) {
    activations[2u * to + thread / 4u] = vec2f(own, other);
  }
}

fn activationQuad(quad: u32) -> vec4f {
  return vec4f(activations[2u * quad], activations[2u * quad + 1u]);
}
