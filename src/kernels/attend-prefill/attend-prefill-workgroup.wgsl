// A workgroup takes 64 rows of one head and walks the keys, or a part of them, 32 at a time. An invocation owns four neighbouring rows
// (the components of every vec4f here) and two columns: two keys of the scores, two dimensions of each 32-wide slice of
// the output. Exclusive ors in the slots spread transposed stores over the banks of workgroup memory.
override slices: u32; // ⌈headDim / 32⌉, 1 to 8

// [32][16 row fours]: a slice of the queries by dimension, then the probabilities by key.
var<workgroup> left: array<vec4f, 512>;
// [32][16 pairs]: a slice of the keys, dimension by key, or of the values, key by dimension.
var<workgroup> right: array<vec2f, 512>;
// [16 pairs][16 row fours]: what the invocations of a row four have to tell each other.
var<workgroup> partial: array<vec4f, 256>;

fn loadQuerySlice(slice: u32, lane: u32, firstRow: u32, head: u32) {
  let quad = lane % 8u;
  let row = firstRow + 4u * (lane / 8u);
  let turned = transpose(mat4x4f(
    query4(queryStart(row, head), 8u * slice + quad),
    query4(queryStart(row + 1u, head), 8u * slice + quad),
    query4(queryStart(row + 2u, head), 8u * slice + quad),
    query4(queryStart(row + 3u, head), 8u * slice + quad),
  ));
  let slot = 64u * quad + ((lane / 8u) ^ quad);
  left[slot] = turned[0] * dims.scale;
  left[slot + 16u] = turned[1] * dims.scale;
  left[slot + 32u] = turned[2] * dims.scale;
  left[slot + 48u] = turned[3] * dims.scale;
}

fn loadKeySlice(slice: u32, lane: u32, firstKey: u32, kvHead: u32) {
  let quad = lane % 8u;
  let key = firstKey + 4u * (lane / 8u);
  let turned = transpose(mat4x4f(
    key4(cacheStart(key, kvHead), 8u * slice + quad),
    key4(cacheStart(key + 1u, kvHead), 8u * slice + quad),
    key4(cacheStart(key + 2u, kvHead), 8u * slice + quad),
    key4(cacheStart(key + 3u, kvHead), 8u * slice + quad),
  ));
  let slot = 64u * quad + ((2u * (lane / 8u)) ^ (2u * quad));
  for (var i = 0u; i < 4u; i++) {
    right[slot + 16u * i] = turned[i].xy;
    right[slot + 16u * i + 1u] = turned[i].zw;
  }
}

fn loadValueSlice(slice: u32, lane: u32, firstKey: u32, kvHead: u32) {
  let value = value4(cacheStart(firstKey + lane / 8u, kvHead), 8u * slice + lane % 8u);
  right[2u * lane] = value.xy;
  right[2u * lane + 1u] = value.zw;
}

// Adds the probabilities times the values of one slice to the two dimensions this invocation owns.
fn addValues(slice: u32, lane: u32, firstKey: u32, kvHead: u32, even: ptr<function, vec4f>, odd: ptr<function, vec4f>) {
  if (slice > 0u) { workgroupBarrier(); }
  loadValueSlice(slice, lane, firstKey, kvHead);
  workgroupBarrier();
  let rowFour = lane / 16u;
  let pair = lane % 16u;
  for (var key = 0u; key < 32u; key++) {
    let probability = left[16u * key + (rowFour ^ (key / 2u))];
    let value = right[16u * key + pair];
    *even += probability * value.x;
    *odd += probability * value.y;
  }
}

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tiles = (step.rows + 63u) / 64u;
  if (group.x >= tiles) { return; }
  // Late rows have the most keys: they start first.
  let firstRow = 64u * (tiles - 1u - group.x);
  let head = group.y;
  let kvHead = head / dims.group;
  let rowFour = lane / 16u;
  let pair = lane % 16u;
  let row = firstRow + 4u * rowFour;
  let positions = vec4u(step.position + row) + vec4u(0u, 1u, 2u, 3u);
  let part = vec2u(group.z, groups.z);
  let range = keysOf(step.position + min(firstRow + 64u, step.rows), part);

  var out0even = vec4f();
  var out0odd = vec4f();
  var out1even = vec4f();
  var out1odd = vec4f();
  var out2even = vec4f();
  var out2odd = vec4f();
  var out3even = vec4f();
  var out3odd = vec4f();
  var out4even = vec4f();
  var out4odd = vec4f();
  var out5even = vec4f();
  var out5odd = vec4f();
  var out6even = vec4f();
  var out6odd = vec4f();
  var out7even = vec4f();
  var out7odd = vec4f();
  var highest = vec4f(lowest);
  var total = vec4f(); // over this invocation's keys only
  for (var firstKey = range.x; firstKey < range.y; firstKey += 32u) {
    var even = vec4f();
    var odd = vec4f();
    for (var slice = 0u; slice < slices; slice++) {
      workgroupBarrier();
      if (lane < 128u) {
        loadQuerySlice(slice, lane, firstRow, head);
      } else if (lane < 192u) {
        loadKeySlice(slice, lane - 128u, firstKey, kvHead);
      }
      workgroupBarrier();
      for (var quad = 0u; quad < 8u; quad++) {
        for (var i = 64u * quad; i < 64u * quad + 64u; i += 16u) {
          let q = left[i + (rowFour ^ quad)];
          let k = right[i + (pair ^ (2u * quad))];
          even += q * k.x;
          odd += q * k.y;
        }
      }
    }

    let key = firstKey + 2u * pair;
    even = select(vec4f(lowest), even, vec4u(key) <= positions);
    odd = select(vec4f(lowest), odd, vec4u(key + 1u) <= positions);
    partial[16u * pair + (rowFour ^ pair)] = max(even, odd);
    workgroupBarrier();
    var newHighest = highest;
    for (var i = 0u; i < 16u; i++) {
      newHighest = max(newHighest, partial[16u * i + (rowFour ^ i)]);
    }
    let shrink = exp2(highest - newHighest);
    highest = newHighest;
    even = exp2(even - highest);
    odd = exp2(odd - highest);
    total = total * shrink + even + odd;
    left[32u * pair + (rowFour ^ pair)] = even;
    left[32u * pair + 16u + (rowFour ^ pair)] = odd;
    out0even *= shrink;
    out0odd *= shrink;
    addValues(0u, lane, firstKey, kvHead, &out0even, &out0odd);
    if (slices > 1u) {
      out1even *= shrink;
      out1odd *= shrink;
      addValues(1u, lane, firstKey, kvHead, &out1even, &out1odd);
    }
    if (slices > 2u) {
      out2even *= shrink;
      out2odd *= shrink;
      addValues(2u, lane, firstKey, kvHead, &out2even, &out2odd);
    }
    if (slices > 3u) {
      out3even *= shrink;
      out3odd *= shrink;
      addValues(3u, lane, firstKey, kvHead, &out3even, &out3odd);
    }
    if (slices > 4u) {
      out4even *= shrink;
      out4odd *= shrink;
      addValues(4u, lane, firstKey, kvHead, &out4even, &out4odd);
    }
    if (slices > 5u) {
      out5even *= shrink;
      out5odd *= shrink;
      addValues(5u, lane, firstKey, kvHead, &out5even, &out5odd);
    }
    if (slices > 6u) {
      out6even *= shrink;
      out6odd *= shrink;
      addValues(6u, lane, firstKey, kvHead, &out6even, &out6odd);
    }
    if (slices > 7u) {
      out7even *= shrink;
      out7odd *= shrink;
      addValues(7u, lane, firstKey, kvHead, &out7even, &out7odd);
    }
  }

  workgroupBarrier();
  partial[16u * pair + (rowFour ^ pair)] = total;
  workgroupBarrier();
  total = vec4f();
  for (var i = 0u; i < 16u; i++) {
    total += partial[16u * i + (rowFour ^ i)];
  }
  leaveSlice(0u, row, head, part, pair, out0even, out0odd, highest, total);
  if (slices > 1u) { leaveSlice(1u, row, head, part, pair, out1even, out1odd, highest, total); }
  if (slices > 2u) { leaveSlice(2u, row, head, part, pair, out2even, out2odd, highest, total); }
  if (slices > 3u) { leaveSlice(3u, row, head, part, pair, out3even, out3odd, highest, total); }
  if (slices > 4u) { leaveSlice(4u, row, head, part, pair, out4even, out4odd, highest, total); }
  if (slices > 5u) { leaveSlice(5u, row, head, part, pair, out5even, out5odd, highest, total); }
  if (slices > 6u) { leaveSlice(6u, row, head, part, pair, out6even, out6odd, highest, total); }
  if (slices > 7u) { leaveSlice(7u, row, head, part, pair, out7even, out7odd, highest, total); }
}

fn leaveSlice(
  slice: u32,
  row: u32,
  head: u32,
  part: vec2u,
  pair: u32,
  even: vec4f,
  odd: vec4f,
  highest: vec4f,
  total: vec4f,
) {
  let at = 16u * slice + pair;
  if (2u * at >= dims.headDim) { return; }
  for (var i = 0u; i < 4u; i++) {
    if (row + i < step.rows) {
      leave(row + i, head, part, at, vec2f(even[i], odd[i]), vec2f(highest[i], total[i]));
    }
  }
}
