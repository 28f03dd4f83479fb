// hash-query.wgsl for maps at most 128 wide, with subgroups. Four lanes, a quad, share two rows of every stage, and a row's
// sum takes two exchanges in the quad. One piece of code serves all stages and both kinds of map: in a decode it comes from
// far away, and reading every stage's weights ahead would take a copy of it each.
override octets: u32; // of a row per lane: 1, 2 or 4; the maps are at most 32 · octets wide
override threads = 64u * octets;

@group(0) @binding(10) var<storage, read_write> mapped: array<f32>;

// Two sets of four lanes' activations, read and written in turn, zeros beyond the width: octets l, l + 4, l + 8 and l + 12
// of the width for lane l; one pair more, so that lanes use different banks. By pairs, because one invocation must write all
// of a vector, and a quad is left with two rows.
var<workgroup> activations: array<array<vec2f, 17>, 8>;
var<workgroup> signs: array<atomic<u32>, 2>;

// Where the numbers of a stage begin; without outputs, there is no such stage.
struct Stage {
  index: u32,
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

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let isKey = workgroup.x >= dims.qHeads;
  // A write past the capacity would land in the next head's first tokens.
  if (isKey && step.position >= dims.capacity) { return; }
  let kind = select(ofQuery, ofKey, isKey);
  let heads = select(dims.qHeads, dims.signatureHeads, isKey);
  let head = select(workgroup.x, workgroup.x - dims.qHeads, isKey);

  var stage = Stage(0u, widthAt(kind, 0u), widthAt(kind, 1u), 0u, 0u);
  if (thread < 16u * octets) {
    keepPair(0u, thread, inputPair(kind, head, thread));
  }
  var value = 0.0;
  var source = 0u;
  while (stage.outputs > 0u) {
    let rows = readRows(stage, kind, head, thread);
    workgroupBarrier();
    value = rowSum(rows, source, thread);
    let next = stageAfter(stage, kind, heads);
    if (next.outputs > 0u) {
      source = 4u - source;
      store(value, stage.outputs, source, thread);
    }
    stage = next;
  }

  let row = rowOf(thread);
  let isRow = thread % 4u < 2u && row < dims.bits;
  if (!isKey) {
    if (isRow) {
      mapped[head * dims.bits + row] = value;
    }
    return;
  }
  if (isRow && value > 0.0) {
    atomicOr(&signs[row / 32u], 1u << (row % 32u));
  }
  workgroupBarrier();
  if (thread < dims.bits / 32u) {
    signatures[(head * dims.capacity + step.position) * (dims.bits / 32u) + thread] = atomicLoad(&signs[thread]);
  }
}

fn stageAfter(stage: Stage, kind: u32, heads: u32) -> Stage {
  let rows = heads * stage.outputs;
  return Stage(
    stage.index + 1u,
    stage.outputs,
    widthAt(kind, stage.index + 2u),
    stage.weights + rows * ((stage.inputs + 7u) / 8u),
    stage.biases + rows,
  );
}

// A row beyond the outputs repeats the last one, an octet beyond the row its last one, against zeros.
fn readRows(stage: Stage, kind: u32, head: u32, thread: u32) -> Rows {
  let lane = thread % 4u;
  let rowOctets = (stage.inputs + 7u) / 8u;
  let row = head * stage.outputs + min(thread / 4u * 2u + vec2u(0u, 1u), vec2u(stage.outputs - 1u));
  let a = stage.weights + row.x * rowOctets;
  let b = stage.weights + row.y * rowOctets;
  let octet = min(lane + vec4u(0u, 4u, 8u, 12u), vec4u(rowOctets - 1u));
  let bias = stage.biases + select(row.x, row.y, lane % 2u == 1u);
  var rows = Rows();
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
  rows.bias = biasAt(kind, bias);
  return rows;
}

// The row whose sum a lane is left with.
fn rowOf(thread: u32) -> u32 {
  return thread / 4u * 2u + thread % 2u;
}

// The sum of one of the lane's rows over a set of activations, in the order of signature-map.wgsl.
fn rowSum(rows: Rows, source: u32, thread: u32) -> f32 {
  let own = &activations[source + thread % 4u];
  let x0 = vec4f((*own)[0], (*own)[1]);
  let y0 = vec4f((*own)[2], (*own)[3]);
  var a = withOctet(0.0, rows.a0, x0, y0);
  var b = withOctet(0.0, rows.b0, x0, y0);
  if (octets > 1u) {
    let x1 = vec4f((*own)[4], (*own)[5]);
    let y1 = vec4f((*own)[6], (*own)[7]);
    var upperA = withOctet(0.0, rows.a1, x1, y1);
    var upperB = withOctet(0.0, rows.b1, x1, y1);
    if (octets > 2u) {
      let x2 = vec4f((*own)[8], (*own)[9]);
      let y2 = vec4f((*own)[10], (*own)[11]);
      let x3 = vec4f((*own)[12], (*own)[13]);
      let y3 = vec4f((*own)[14], (*own)[15]);
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

// What a stage gives becomes the next one's input.
fn store(value: f32, outputs: u32, to: u32, thread: u32) {
  let own = select(0.0, silu(vec4f(value)).x, rowOf(thread) < outputs);
  let other = quadSwapX(own);
  if (thread % 4u == 0u) {
    keepPair(to, thread / 4u, vec2f(own, other));
  }
}

// Activations 2 · pair and the next of the set that begins at `to`.
fn keepPair(to: u32, pair: u32, values: vec2f) {
  let octet = pair / 4u;
  activations[to + octet % 4u][octet / 4u * 4u + pair % 4u] = values;
}
