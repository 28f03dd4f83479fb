// A workgroup makes 64 × 64, an invocation 4 × 4, in steps of 16 k held in workgroup memory.
const steps = 16u;
// Quads between neighbouring k: one more than the 16 in use spreads transposed stores over the banks.
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

// Where an invocation's four elements of a tile lie: neighbours in memory go to neighbouring invocations.
struct Four { at: u32, k: u32, atStep: u32, kStep: u32 }

fn fourOf(lane: u32, isAlongDepth: bool) -> Four {
  if (isAlongDepth) { return Four(lane / 4u, lane % 4u * 4u, 0u, 1u); }
  return Four(lane % 16u * 4u, lane / 16u, 1u, 0u);
}

fn loadLeft(base: u32, first: u32, four: Four, k: u32, end: u32) -> vec4f {
  let at = first + four.at;
  return vec4f(
    leftAt(base, at, k, end),
    leftAt(base, at + four.atStep, k + four.kStep, end),
    leftAt(base, at + 2u * four.atStep, k + 2u * four.kStep, end),
    leftAt(base, at + 3u * four.atStep, k + 3u * four.kStep, end),
  );
}

fn loadRight(base: u32, first: u32, four: Four, k: u32, end: u32) -> vec4f {
  let at = first + four.at;
  return vec4f(
    rightAt(base, at, k, end),
    rightAt(base, at + four.atStep, k + four.kStep, end),
    rightAt(base, at + 2u * four.atStep, k + 2u * four.kStep, end),
    rightAt(base, at + 3u * four.atStep, k + 3u * four.kStep, end),
  );
}

fn stage(first: u32, four: Four, isAlongDepth: bool, values: vec4f) {
  let slot = first + four.k * pitch + four.at / 4u;
  if (!isAlongDepth) {
    tile[slot] = values;
    return;
  }
  let part = four.at % 4u;
  tile[slot][part] = values.x;
  tile[slot + pitch][part] = values.y;
  tile[slot + 2u * pitch][part] = values.z;
  tile[slot + 3u * pitch][part] = values.w;
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
  let isLeftAlong = dims.leftDepth == 1u;
  let isRightAlong = dims.rightDepth == 1u;
  let leftFour = fourOf(lane, isLeftAlong);
  let rightFour = fourOf(lane, isRightAlong);
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
    stage(0u, leftFour, isLeftAlong, a);
    stage(rightTile, rightFour, isRightAlong, b);
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
