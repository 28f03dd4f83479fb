// An invocation takes four neighbouring rows of one head (the components of the vec4f below) and walks the keys 16 at a
// time, straight from memory and without barriers: for adapters that run on the CPU.
const lanes = 4u;

// What one value adds to the output of four rows: a matrix column per row.
fn outer(value: vec4f, weights: vec4f) -> mat4x4f {
  return mat4x4f(value * weights.x, value * weights.y, value * weights.z, value * weights.w);
}

fn visible(scores: vec4f, key: u32, positions: vec4u) -> vec4f {
  return select(vec4f(lowest), scores * dims.scale, vec4u(key) <= positions);
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstRow = 4u * lanes * group.x;
  if (firstRow >= step.rows) { return; }
  let row = firstRow + 4u * lane;
  let head = group.y;
  let kvHead = head / dims.group;
  let quads = (dims.headDim + 3u) / 4u;
  let positions = vec4u(step.position + row) + vec4u(0u, 1u, 2u, 3u);
  let keyEnd = step.position + min(firstRow + 4u * lanes, step.rows);
  let query0 = queryStart(row, head);
  let query1 = queryStart(row + 1u, head);
  let query2 = queryStart(row + 2u, head);
  let query3 = queryStart(row + 3u, head);

  var sums: array<mat4x4f, 64>; // by quad of dimensions, up to headDim 256
  var highest = vec4f(lowest);
  var total = vec4f();
  for (var key = 0u; key < keyEnd; key += 16u) {
    let at0 = cacheStart(key + 0u, kvHead);
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
    var s0 = vec4f();
    var s1 = vec4f();
    var s2 = vec4f();
    var s3 = vec4f();
    var s4 = vec4f();
    var s5 = vec4f();
    var s6 = vec4f();
    var s7 = vec4f();
    var s8 = vec4f();
    var s9 = vec4f();
    var s10 = vec4f();
    var s11 = vec4f();
    var s12 = vec4f();
    var s13 = vec4f();
    var s14 = vec4f();
    var s15 = vec4f();
    for (var quad = 0u; quad < quads; quad++) {
      let q = mat4x4f(query4(query0, quad), query4(query1, quad), query4(query2, quad), query4(query3, quad));
      s0 += key4(at0, quad) * q;
      s1 += key4(at1, quad) * q;
      s2 += key4(at2, quad) * q;
      s3 += key4(at3, quad) * q;
      s4 += key4(at4, quad) * q;
      s5 += key4(at5, quad) * q;
      s6 += key4(at6, quad) * q;
      s7 += key4(at7, quad) * q;
      s8 += key4(at8, quad) * q;
      s9 += key4(at9, quad) * q;
      s10 += key4(at10, quad) * q;
      s11 += key4(at11, quad) * q;
      s12 += key4(at12, quad) * q;
      s13 += key4(at13, quad) * q;
      s14 += key4(at14, quad) * q;
      s15 += key4(at15, quad) * q;
    }
    s0 = visible(s0, key + 0u, positions);
    s1 = visible(s1, key + 1u, positions);
    s2 = visible(s2, key + 2u, positions);
    s3 = visible(s3, key + 3u, positions);
    s4 = visible(s4, key + 4u, positions);
    s5 = visible(s5, key + 5u, positions);
    s6 = visible(s6, key + 6u, positions);
    s7 = visible(s7, key + 7u, positions);
    s8 = visible(s8, key + 8u, positions);
    s9 = visible(s9, key + 9u, positions);
    s10 = visible(s10, key + 10u, positions);
    s11 = visible(s11, key + 11u, positions);
    s12 = visible(s12, key + 12u, positions);
    s13 = visible(s13, key + 13u, positions);
    s14 = visible(s14, key + 14u, positions);
    s15 = visible(s15, key + 15u, positions);
    let before = highest;
    highest = max(max(max(highest, s0), max(s1, s2)), s3);
    highest = max(max(max(highest, s4), max(s5, s6)), s7);
    highest = max(max(max(highest, s8), max(s9, s10)), s11);
    highest = max(max(max(highest, s12), max(s13, s14)), s15);
    let shrink = exp2(before - highest);
    s0 = exp2(s0 - highest);
    s1 = exp2(s1 - highest);
    s2 = exp2(s2 - highest);
    s3 = exp2(s3 - highest);
    s4 = exp2(s4 - highest);
    s5 = exp2(s5 - highest);
    s6 = exp2(s6 - highest);
    s7 = exp2(s7 - highest);
    s8 = exp2(s8 - highest);
    s9 = exp2(s9 - highest);
    s10 = exp2(s10 - highest);
    s11 = exp2(s11 - highest);
    s12 = exp2(s12 - highest);
    s13 = exp2(s13 - highest);
    s14 = exp2(s14 - highest);
    s15 = exp2(s15 - highest);
    total *= shrink;
    total += (s0 + s1) + (s2 + s3);
    total += (s4 + s5) + (s6 + s7);
    total += (s8 + s9) + (s10 + s11);
    total += (s12 + s13) + (s14 + s15);
    for (var quad = 0u; quad < quads; quad++) {
      let old = sums[quad];
      var sum = mat4x4f(old[0] * shrink.x, old[1] * shrink.y, old[2] * shrink.z, old[3] * shrink.w);
      sum += outer(value4(at0, quad), s0);
      sum += outer(value4(at1, quad), s1);
      sum += outer(value4(at2, quad), s2);
      sum += outer(value4(at3, quad), s3);
      sum += outer(value4(at4, quad), s4);
      sum += outer(value4(at5, quad), s5);
      sum += outer(value4(at6, quad), s6);
      sum += outer(value4(at7, quad), s7);
      sum += outer(value4(at8, quad), s8);
      sum += outer(value4(at9, quad), s9);
      sum += outer(value4(at10, quad), s10);
      sum += outer(value4(at11, quad), s11);
      sum += outer(value4(at12, quad), s12);
      sum += outer(value4(at13, quad), s13);
      sum += outer(value4(at14, quad), s14);
      sum += outer(value4(at15, quad), s15);
      sums[quad] = sum;
    }
  }

  for (var i = 0u; i < 4u && row + i < step.rows; i++) {
    let start = ((row + i) * dims.outStride + head * dims.headDim) / 2u;
    for (var quad = 0u; quad < quads; quad++) {
      let result = sums[quad][i] / total[i];
      out[start + 2u * quad] = result.xy;
      if (4u * quad + 2u < dims.headDim) { out[start + 2u * quad + 1u] = result.zw; }
    }
  }
}
