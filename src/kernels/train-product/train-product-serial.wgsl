// An invocation makes 4 × 4 straight from memory, without barriers: for adapters that run on the CPU. A workgroup's 16
// invocations take neighbouring columns, 64 in all.
fn rightAt(at: u32, isOnes: bool) -> f32 {
  return select(right[at], 1.0, isOnes);
}

@compute @workgroup_size(16)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let batch = group.z / dims.splits;
  let split = group.z % dims.splits;
  let begin = split * dims.depthPerSplit;
  let end = min(begin + dims.depthPerSplit, dims.depth);
  let m = group.y * 4u;
  let n = group.x * 64u + lane * 4u;
  // Rows and columns beyond the last read the last, and are not stored.
  let rows = min(m + vec4u(0u, 1u, 2u, 3u), vec4u(dims.rows - 1u));
  let columns = min(n + vec4u(0u, 1u, 2u, 3u), vec4u(dims.columns - 1u));
  let isOnes = columns == vec4u(dims.rightOnes);
  let stored = select(columns, vec4u(0u), isOnes);
  let leftBase = dims.leftOffset + batch / dims.leftShare * dims.leftBatch;
  let rightBase = dims.rightOffset + batch / dims.rightShare * dims.rightBatch;
  let leftDepth = dims.leftDepth;
  let rightDepth = dims.rightDepth;
  var a = leftBase + rows * dims.leftRow + begin * leftDepth;
  var b = rightBase + stored * dims.rightColumn + begin * rightDepth;
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  for (var k = begin; k < min(end, dims.leftOnes); k++) {
    let y = vec4f(
      rightAt(b.x, isOnes.x), rightAt(b.y, isOnes.y), rightAt(b.z, isOnes.z), rightAt(b.w, isOnes.w),
    );
    sum0 += left[a.x] * y;
    sum1 += left[a.y] * y;
    sum2 += left[a.z] * y;
    sum3 += left[a.w] * y;
    a += leftDepth;
    b += rightDepth;
  }
  if (dims.leftOnes < end) {
    let y = vec4f(
      rightAt(b.x, isOnes.x), rightAt(b.y, isOnes.y), rightAt(b.z, isOnes.z), rightAt(b.w, isOnes.w),
    );
    sum0 += y;
    sum1 += y;
    sum2 += y;
    sum3 += y;
  }
  let base = dims.outOffset + batch * dims.outBatch + split * dims.outSplit;
  store(base, m, n, sum0);
  store(base, m + 1u, n, sum1);
  store(base, m + 2u, n, sum2);
  store(base, m + 3u, n, sum3);
}
