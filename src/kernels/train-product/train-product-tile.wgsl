// A workgroup makes 64 × 64, an invocation 4 × 4, in steps of 16 k held in workgroup memory.
const steps = 16u;
// Quads between neighbouring k: one more than the 16 in use spreads stores over the banks.
const pitch = 17u;
// A's quads, then B's.
const rightTile = 272u;
var<workgroup> tile: array<vec4f, 544>;

fn leftAt(base: u32, m: u32, k: u32, end: u32) -> f32 {
  if (m >= dims.rows || k >= end) { return 0.0; }
  if (k == dims.leftOnes) { return 1.0; }
  return left[base + m * dims.leftRow + k * dims.leftDepth];
}

fn rightAt(base: u32, n: u32, k: u32, end: u32) -> f32 {
  if (n >= dims.columns || k >= end) { return 0.0; }
  if (n == dims.rightOnes) { return 1.0; }
  return right[base + n * dims.rightColumn + k * dims.rightDepth];
}

// Which four elements of a tile an invocation brings: neighbours along the other axis, at one k, so that it stores them as
// one vector. Neighbouring invocations take what lies next to each other in memory.
struct Four { at: u32, k: u32 }

fn fourOf(lane: u32, isAlongDepth: bool) -> Four {
  if (isAlongDepth) { return Four(lane / 16u * 4u, lane % 16u); }
  return Four(lane % 16u * 4u, lane / 16u);
}

fn loadLeft(base: u32, first: u32, four: Four, k: u32, end: u32) -> vec4f {
  let at = first + four.at;
  return vec4f(
    leftAt(base, at, k, end),
    leftAt(base, at + 1u, k, end),
    leftAt(base, at + 2u, k, end),
    leftAt(base, at + 3u, k, end),
  );
}

fn loadRight(base: u32, first: u32, four: Four, k: u32, end: u32) -> vec4f {
  let at = first + four.at;
  return vec4f(
    rightAt(base, at, k, end),
    rightAt(base, at + 1u, k, end),
    rightAt(base, at + 2u, k, end),
    rightAt(base, at + 3u, k, end),
  );
}

fn slotOf(four: Four) -> u32 {
  return four.k * pitch + four.at / 4u;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z / dims.splits;
  let split = group.z % dims.splits;
  let begin = split * dims.depthPerSplit;
  let end = min(begin + dims.depthPerSplit, dims.depth);
  let firstColumn = group.x * 64u;
  let firstRow = group.y * 64u;
  let leftBase = dims.leftOffset + batch / dims.leftShare * dims.leftBatch;
  let rightBase = dims.rightOffset + batch / dims.rightShare * dims.rightBatch;
  let leftFour = fourOf(lane, dims.leftDepth == 1u);
  let rightFour = fourOf(lane, dims.rightDepth == 1u);
  let rowQuad = lane / 16u;
  let columnQuad = lane % 16u;

  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var a = loadLeft(leftBase, firstRow, leftFour, begin + leftFour.k, end);
  var b = loadRight(rightBase, firstColumn, rightFour, begin + rightFour.k, end);
  for (var k = begin; k < end; k += steps) {
    workgroupBarrier();
    tile[slotOf(leftFour)] = a;
    tile[rightTile + slotOf(rightFour)] = b;
    workgroupBarrier();
    // read while this step is computed
    a = loadLeft(leftBase, firstRow, leftFour, k + steps + leftFour.k, end);
    b = loadRight(rightBase, firstColumn, rightFour, k + steps + rightFour.k, end);
    for (var step = 0u; step < steps; step++) {
      let x = tile[step * pitch + rowQuad];
      let y = tile[rightTile + step * pitch + columnQuad];
      sum0 += x.x * y;
      sum1 += x.y * y;
      sum2 += x.z * y;
      sum3 += x.w * y;
    }
  }

  let base = dims.outOffset + batch * dims.outBatch + split * dims.outSplit;
  let m = firstRow + 4u * rowQuad;
  let n = firstColumn + 4u * columnQuad;
  store(base, m, n, sum0);
  store(base, m + 1u, n, sum1);
  store(base, m + 2u, n, sum2);
  store(base, m + 3u, n, sum3);
}
