// An invocation takes four neighbouring rows of one head (the components of every vec4f) and walks the keys 16 at a time,
// straight from memory and without barriers: for adapters that run on the CPU, where a load costs ten multiplications.
// The 16 are written out because an array that a loop indexes lives in memory there.
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
  let keyEnd = step.position + min(firstRow + lanes * rowsEach, step.rows);

  var sums: array<mat2x4f, 128>; // by pair of dimensions, up to headDim 256
  let positions = vec4u(step.position + row) + vec4u(0u, 1u, 2u, 3u);
  let starts = queryStarts(row, head);
  var highest = vec4f(lowest);
  var total = vec4f();
  for (var key = 0u; key < keyEnd; key += 16u) {
    let at0 = cacheStart(key, kvHead);
    let at1 = cacheStart(key + 1u, kvHead);
    let at2 = cacheStart(key + 2u, kvHead);
    let at3 = cacheStart(key + 3u, kvHead);
    let at4 = cacheStart(key + 4u, kvHead);
    let at5 = cacheStart(key + 5u, kvHead);
    let at6 = cacheStart(key + 6u, kvHead);
    let at7 = cacheStart(key + 7u, kvHead);
    let at8 = cacheStart(key + 8u, kvHead);
    let at9 = cacheStart(key + 9u, kvHead);
    let at10 = cacheStart(key + 10u, kvHead);
    let at11 = cacheStart(key + 11u, kvHead);
    let at12 = cacheStart(key + 12u, kvHead);
    let at13 = cacheStart(key + 13u, kvHead);
    let at14 = cacheStart(key + 14u, kvHead);
    let at15 = cacheStart(key + 15u, kvHead);
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
      p0 += q * unpack2x16float(keys[at0 + pair]);
      p1 += q * unpack2x16float(keys[at1 + pair]);
      p2 += q * unpack2x16float(keys[at2 + pair]);
      p3 += q * unpack2x16float(keys[at3 + pair]);
      p4 += q * unpack2x16float(keys[at4 + pair]);
      p5 += q * unpack2x16float(keys[at5 + pair]);
      p6 += q * unpack2x16float(keys[at6 + pair]);
      p7 += q * unpack2x16float(keys[at7 + pair]);
      p8 += q * unpack2x16float(keys[at8 + pair]);
      p9 += q * unpack2x16float(keys[at9 + pair]);
      p10 += q * unpack2x16float(keys[at10 + pair]);
      p11 += q * unpack2x16float(keys[at11 + pair]);
      p12 += q * unpack2x16float(keys[at12 + pair]);
      p13 += q * unpack2x16float(keys[at13 + pair]);
      p14 += q * unpack2x16float(keys[at14 + pair]);
      p15 += q * unpack2x16float(keys[at15 + pair]);
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
      let v0 = unpack2x16float(values[at0 + pair]);
      even += p0 * v0.x;
      odd += p0 * v0.y;
      let v1 = unpack2x16float(values[at1 + pair]);
      even += p1 * v1.x;
      odd += p1 * v1.y;
      let v2 = unpack2x16float(values[at2 + pair]);
      even += p2 * v2.x;
      odd += p2 * v2.y;
      let v3 = unpack2x16float(values[at3 + pair]);
      even += p3 * v3.x;
      odd += p3 * v3.y;
      let v4 = unpack2x16float(values[at4 + pair]);
      even += p4 * v4.x;
      odd += p4 * v4.y;
      let v5 = unpack2x16float(values[at5 + pair]);
      even += p5 * v5.x;
      odd += p5 * v5.y;
      let v6 = unpack2x16float(values[at6 + pair]);
      even += p6 * v6.x;
      odd += p6 * v6.y;
      let v7 = unpack2x16float(values[at7 + pair]);
      even += p7 * v7.x;
      odd += p7 * v7.y;
      let v8 = unpack2x16float(values[at8 + pair]);
      even += p8 * v8.x;
      odd += p8 * v8.y;
      let v9 = unpack2x16float(values[at9 + pair]);
      even += p9 * v9.x;
      odd += p9 * v9.y;
      let v10 = unpack2x16float(values[at10 + pair]);
      even += p10 * v10.x;
      odd += p10 * v10.y;
      let v11 = unpack2x16float(values[at11 + pair]);
      even += p11 * v11.x;
      odd += p11 * v11.y;
      let v12 = unpack2x16float(values[at12 + pair]);
      even += p12 * v12.x;
      odd += p12 * v12.y;
      let v13 = unpack2x16float(values[at13 + pair]);
      even += p13 * v13.x;
      odd += p13 * v13.y;
      let v14 = unpack2x16float(values[at14 + pair]);
      even += p14 * v14.x;
      odd += p14 * v14.y;
      let v15 = unpack2x16float(values[at15 + pair]);
      even += p15 * v15.x;
      odd += p15 * v15.y;
      sums[pair] = mat2x4f(even, odd);
    }
  }

  for (var pair = 0u; pair < pairs; pair++) {
    leaveRows(row, head, pair, sums[pair], total);
  }
}
