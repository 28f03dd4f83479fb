// An invocation takes four neighbouring rows of one head (the components of every vec4f) and walks the keys 16 at a time,
// straight from memory and without barriers: for adapters that run on the CPU, where a load costs ten multiplications. So an
// invocation reads four of the 16 and hands them to its quad. All are written out: an array that a loop indexes lives in memory.
const lanes = 4u;
const rowsEach = 4u;

fn visible(scores: vec4f, key: u32, positions: vec4u) -> vec4f {
  return select(vec4f(lowest), scores * dims.scale, vec4u(key) <= positions);
}

// A pair of dimensions of four query rows: a matrix column per dimension.
fn queries(starts: vec4u, pair: u32) -> mat2x4f {
  return transpose(mat4x2f(
    query[starts.x + pair],
    query[starts.y + pair],
    query[starts.z + pair],
    query[starts.w + pair],
  ));
}

fn queryStarts(row: u32, head: u32) -> vec4u {
  return vec4u(
    queryStart(row, head),
    queryStart(row + 1u, head),
    queryStart(row + 2u, head),
    queryStart(row + 3u, head),
  );
}

const all = vec2u(0u, 1u); // the only part

fn leaveRows(row: u32, head: u32, pair: u32, sums: mat2x4f, total: vec4f) {
  for (var i = 0u; i < 4u; i++) {
    if (row + i < step.rows) {
      leave(row + i, head, all, pair, vec2f(sums[0][i], sums[1][i]), vec2f(0.0, total[i]));
    }
  }
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstRow = lanes * rowsEach * group.x;
  if (firstRow >= step.rows) { return; }
  let row = firstRow + rowsEach * lane;
  let head = group.y;
  let kvHead = head / dims.group;
  let pairs = dims.headDim / 2u;
  let place = placeInQuad(lane);
  let keyEnd = step.position + min(firstRow + lanes * rowsEach, step.rows);

  var sums: array<mat2x4f, 128>; // by pair of dimensions, up to headDim 256
  let positions = vec4u(step.position + row) + vec4u(0u, 1u, 2u, 3u);
  let starts = queryStarts(row, head);
  var highest = vec4f(lowest);
  var total = vec4f();
  for (var key = 0u; key < keyEnd; key += 16u) {
    let atA = cacheStart(key + place, kvHead);
    let atB = cacheStart(key + 4u + place, kvHead);
    let atC = cacheStart(key + 8u + place, kvHead);
    let atD = cacheStart(key + 12u + place, kvHead);
    var p0 = vec4f();
    var p1 = vec4f();
    var p2 = vec4f();
    var p3 = vec4f();
    var p4 = vec4f();
    var p5 = vec4f();
    var p6 = vec4f();
    var p7 = vec4f();
    var p8 = vec4f();
    var p9 = vec4f();
    var p10 = vec4f();
    var p11 = vec4f();
    var p12 = vec4f();
    var p13 = vec4f();
    var p14 = vec4f();
    var p15 = vec4f();
    for (var pair = 0u; pair < pairs; pair++) {
      let q = queries(starts, pair);
      let kA = unpack2x16float(keys[atA + pair]);
      p0 += q * quadBroadcast(kA, 0u);
      p1 += q * quadBroadcast(kA, 1u);
      p2 += q * quadBroadcast(kA, 2u);
      p3 += q * quadBroadcast(kA, 3u);
      let kB = unpack2x16float(keys[atB + pair]);
      p4 += q * quadBroadcast(kB, 0u);
      p5 += q * quadBroadcast(kB, 1u);
      p6 += q * quadBroadcast(kB, 2u);
      p7 += q * quadBroadcast(kB, 3u);
      let kC = unpack2x16float(keys[atC + pair]);
      p8 += q * quadBroadcast(kC, 0u);
      p9 += q * quadBroadcast(kC, 1u);
      p10 += q * quadBroadcast(kC, 2u);
      p11 += q * quadBroadcast(kC, 3u);
      let kD = unpack2x16float(keys[atD + pair]);
      p12 += q * quadBroadcast(kD, 0u);
      p13 += q * quadBroadcast(kD, 1u);
      p14 += q * quadBroadcast(kD, 2u);
      p15 += q * quadBroadcast(kD, 3u);
    }
    p0 = visible(p0, key, positions);
    p1 = visible(p1, key + 1u, positions);
    p2 = visible(p2, key + 2u, positions);
    p3 = visible(p3, key + 3u, positions);
    p4 = visible(p4, key + 4u, positions);
    p5 = visible(p5, key + 5u, positions);
    p6 = visible(p6, key + 6u, positions);
    p7 = visible(p7, key + 7u, positions);
    p8 = visible(p8, key + 8u, positions);
    p9 = visible(p9, key + 9u, positions);
    p10 = visible(p10, key + 10u, positions);
    p11 = visible(p11, key + 11u, positions);
    p12 = visible(p12, key + 12u, positions);
    p13 = visible(p13, key + 13u, positions);
    p14 = visible(p14, key + 14u, positions);
    p15 = visible(p15, key + 15u, positions);
    let before = highest;
    highest = max(max(max(highest, p0), max(p1, p2)), p3);
    highest = max(max(max(highest, p4), max(p5, p6)), p7);
    highest = max(max(max(highest, p8), max(p9, p10)), p11);
    highest = max(max(max(highest, p12), max(p13, p14)), p15);
    let shrink = exp2(before - highest);
    p0 = exp2(p0 - highest);
    p1 = exp2(p1 - highest);
    p2 = exp2(p2 - highest);
    p3 = exp2(p3 - highest);
    p4 = exp2(p4 - highest);
    p5 = exp2(p5 - highest);
    p6 = exp2(p6 - highest);
    p7 = exp2(p7 - highest);
    p8 = exp2(p8 - highest);
    p9 = exp2(p9 - highest);
    p10 = exp2(p10 - highest);
    p11 = exp2(p11 - highest);
    p12 = exp2(p12 - highest);
    p13 = exp2(p13 - highest);
    p14 = exp2(p14 - highest);
    p15 = exp2(p15 - highest);
    total *= shrink;
    total += (p0 + p1) + (p2 + p3);
    total += (p4 + p5) + (p6 + p7);
    total += (p8 + p9) + (p10 + p11);
    total += (p12 + p13) + (p14 + p15);
    for (var pair = 0u; pair < pairs; pair++) {
      var even = sums[pair][0] * shrink;
      var odd = sums[pair][1] * shrink;
      let valuesA = unpack2x16float(values[atA + pair]);
      let v0 = quadBroadcast(valuesA, 0u);
      even += p0 * v0.x;
      odd += p0 * v0.y;
      let v1 = quadBroadcast(valuesA, 1u);
      even += p1 * v1.x;
      odd += p1 * v1.y;
      let v2 = quadBroadcast(valuesA, 2u);
      even += p2 * v2.x;
      odd += p2 * v2.y;
      let v3 = quadBroadcast(valuesA, 3u);
      even += p3 * v3.x;
      odd += p3 * v3.y;
      let valuesB = unpack2x16float(values[atB + pair]);
      let v4 = quadBroadcast(valuesB, 0u);
      even += p4 * v4.x;
      odd += p4 * v4.y;
      let v5 = quadBroadcast(valuesB, 1u);
      even += p5 * v5.x;
      odd += p5 * v5.y;
      let v6 = quadBroadcast(valuesB, 2u);
      even += p6 * v6.x;
      odd += p6 * v6.y;
      let v7 = quadBroadcast(valuesB, 3u);
      even += p7 * v7.x;
      odd += p7 * v7.y;
      let valuesC = unpack2x16float(values[atC + pair]);
      let v8 = quadBroadcast(valuesC, 0u);
      even += p8 * v8.x;
      odd += p8 * v8.y;
      let v9 = quadBroadcast(valuesC, 1u);
      even += p9 * v9.x;
      odd += p9 * v9.y;
      let v10 = quadBroadcast(valuesC, 2u);
      even += p10 * v10.x;
      odd += p10 * v10.y;
      let v11 = quadBroadcast(valuesC, 3u);
      even += p11 * v11.x;
      odd += p11 * v11.y;
      let valuesD = unpack2x16float(values[atD + pair]);
      let v12 = quadBroadcast(valuesD, 0u);
      even += p12 * v12.x;
      odd += p12 * v12.y;
      let v13 = quadBroadcast(valuesD, 1u);
      even += p13 * v13.x;
      odd += p13 * v13.y;
      let v14 = quadBroadcast(valuesD, 2u);
      even += p14 * v14.x;
      odd += p14 * v14.y;
      let v15 = quadBroadcast(valuesD, 3u);
      even += p15 * v15.x;
      odd += p15 * v15.y;
      sums[pair] = mat2x4f(even, odd);
    }
  }

  for (var pair = 0u; pair < pairs; pair++) {
    leaveRows(row, head, pair, sums[pair], total);
  }
}
