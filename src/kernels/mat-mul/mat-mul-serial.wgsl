// An invocation makes 8 tokens × 8 rows, straight from memory and without barriers: for adapters that run on the CPU.
// There a load, also of a uniform, costs ten multiplications whatever the lanes read: each decoded weight meets eight
// tokens, each input eight rows, and nothing in the loop reads dims. The eight are written out because an array that a
// loop indexes lives in memory there.
// The 16 invocations of a workgroup take neighbouring rows: 128 rows in all.
const lanes = 16u;

struct Four { a: Octet, b: Octet, c: Octet, d: Octet }

// Rows r, r + lanes, r + 2 · lanes, r + 3 · lanes.
fn weightsOf(octets: vec4u, a: Scale, b: Scale, c: Scale, d: Scale) -> Four {
  return Four(weights8(octets.x, a), weights8(octets.y, b), weights8(octets.z, c), weights8(octets.w, d));
}

fn dots(w: Four, low: vec4f, high: vec4f) -> vec4f {
  return vec4f(
    dot(w.a.low, low) + dot(w.a.high, high),
    dot(w.b.low, low) + dot(w.b.high, high),
    dot(w.c.low, low) + dot(w.c.high, high),
    dot(w.d.low, low) + dot(w.d.high, high),
  );
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let columns = dims.columns;
  let last = vec4u(dims.rows - 1u);
  let groups = groupsPerRow(dims.quads / 8u);
  let row = group.x * 8u * lanes + lane;
  let rowsA = min(vec4u(row) + vec4u(0u, lanes, 2u * lanes, 3u * lanes), last);
  let rowsB = min(vec4u(row) + vec4u(4u * lanes, 5u * lanes, 6u * lanes, 7u * lanes), last);
  let octetA = rowsA * (dims.quads / 2u);
  let octetB = rowsB * (dims.quads / 2u);
  let groupA = rowsA * groups;
  let groupB = rowsB * groups;
  let token = group.y * 8u;
  let start0 = inputStart(token);
  let start1 = inputStart(token + 1u);
  let start2 = inputStart(token + 2u);
  let start3 = inputStart(token + 3u);
  let start4 = inputStart(token + 4u);
  let start5 = inputStart(token + 5u);
  let start6 = inputStart(token + 6u);
  let start7 = inputStart(token + 7u);
  var sumA0 = vec4f();
  var sumB0 = vec4f();
  var sumA1 = vec4f();
  var sumB1 = vec4f();
  var sumA2 = vec4f();
  var sumB2 = vec4f();
  var sumA3 = vec4f();
  var sumB3 = vec4f();
  var sumA4 = vec4f();
  var sumB4 = vec4f();
  var sumA5 = vec4f();
  var sumB5 = vec4f();
  var sumA6 = vec4f();
  var sumB6 = vec4f();
  var sumA7 = vec4f();
  var sumB7 = vec4f();

  for (var block = 0u; 32u * block < columns; block++) {
    let scaleA0 = scaleOf(groupA.x, block);
    let scaleA1 = scaleOf(groupA.y, block);
    let scaleA2 = scaleOf(groupA.z, block);
    let scaleA3 = scaleOf(groupA.w, block);
    let scaleB0 = scaleOf(groupB.x, block);
    let scaleB1 = scaleOf(groupB.y, block);
    let scaleB2 = scaleOf(groupB.z, block);
    let scaleB3 = scaleOf(groupB.w, block);
    for (var octet = 4u * block; octet < min(4u * block + 4u, columns / 8u); octet++) {
      let a = weightsOf(octetA + octet, scaleA0, scaleA1, scaleA2, scaleA3);
      let b = weightsOf(octetB + octet, scaleB0, scaleB1, scaleB2, scaleB3);
      let low0 = x[start0 + 2u * octet];
      let high0 = x[start0 + 2u * octet + 1u];
      sumA0 += dots(a, low0, high0);
      sumB0 += dots(b, low0, high0);
      let low1 = x[start1 + 2u * octet];
      let high1 = x[start1 + 2u * octet + 1u];
      sumA1 += dots(a, low1, high1);
      sumB1 += dots(b, low1, high1);
      let low2 = x[start2 + 2u * octet];
      let high2 = x[start2 + 2u * octet + 1u];
      sumA2 += dots(a, low2, high2);
      sumB2 += dots(b, low2, high2);
      let low3 = x[start3 + 2u * octet];
      let high3 = x[start3 + 2u * octet + 1u];
      sumA3 += dots(a, low3, high3);
      sumB3 += dots(b, low3, high3);
      let low4 = x[start4 + 2u * octet];
      let high4 = x[start4 + 2u * octet + 1u];
      sumA4 += dots(a, low4, high4);
      sumB4 += dots(b, low4, high4);
      let low5 = x[start5 + 2u * octet];
      let high5 = x[start5 + 2u * octet + 1u];
      sumA5 += dots(a, low5, high5);
      sumB5 += dots(b, low5, high5);
      let low6 = x[start6 + 2u * octet];
      let high6 = x[start6 + 2u * octet + 1u];
      sumA6 += dots(a, low6, high6);
      sumB6 += dots(b, low6, high6);
      let low7 = x[start7 + 2u * octet];
      let high7 = x[start7 + 2u * octet + 1u];
      sumA7 += dots(a, low7, high7);
      sumB7 += dots(b, low7, high7);
    }
  }

  // Columns beyond the last eight: those of the inputs that are not the matrix's count as zero.
  let left = columns % 8u;
  if (left > 0u) {
    let octet = columns / 8u;
    let block = octet / 4u;
    let more = max(left, 4u) - 4u;
    let scaleA0 = scaleOf(groupA.x, block);
    let scaleA1 = scaleOf(groupA.y, block);
    let scaleA2 = scaleOf(groupA.z, block);
    let scaleA3 = scaleOf(groupA.w, block);
    let scaleB0 = scaleOf(groupB.x, block);
    let scaleB1 = scaleOf(groupB.y, block);
    let scaleB2 = scaleOf(groupB.z, block);
    let scaleB3 = scaleOf(groupB.w, block);
    let a = weightsOf(octetA + octet, scaleA0, scaleA1, scaleA2, scaleA3);
    let b = weightsOf(octetB + octet, scaleB0, scaleB1, scaleB2, scaleB3);
    let low0 = first(left, x[start0 + 2u * octet]);
    let high0 = first(more, x[start0 + 2u * octet + 1u]);
    sumA0 += dots(a, low0, high0);
    sumB0 += dots(b, low0, high0);
    let low1 = first(left, x[start1 + 2u * octet]);
    let high1 = first(more, x[start1 + 2u * octet + 1u]);
    sumA1 += dots(a, low1, high1);
    sumB1 += dots(b, low1, high1);
    let low2 = first(left, x[start2 + 2u * octet]);
    let high2 = first(more, x[start2 + 2u * octet + 1u]);
    sumA2 += dots(a, low2, high2);
    sumB2 += dots(b, low2, high2);
    let low3 = first(left, x[start3 + 2u * octet]);
    let high3 = first(more, x[start3 + 2u * octet + 1u]);
    sumA3 += dots(a, low3, high3);
    sumB3 += dots(b, low3, high3);
    let low4 = first(left, x[start4 + 2u * octet]);
    let high4 = first(more, x[start4 + 2u * octet + 1u]);
    sumA4 += dots(a, low4, high4);
    sumB4 += dots(b, low4, high4);
    let low5 = first(left, x[start5 + 2u * octet]);
    let high5 = first(more, x[start5 + 2u * octet + 1u]);
    sumA5 += dots(a, low5, high5);
    sumB5 += dots(b, low5, high5);
    let low6 = first(left, x[start6 + 2u * octet]);
    let high6 = first(more, x[start6 + 2u * octet + 1u]);
    sumA6 += dots(a, low6, high6);
    sumB6 += dots(b, low6, high6);
    let low7 = first(left, x[start7 + 2u * octet]);
    let high7 = first(more, x[start7 + 2u * octet + 1u]);
    sumA7 += dots(a, low7, high7);
    sumB7 += dots(b, low7, high7);
  }

  storeRows(token, row, sumA0);
  storeRows(token, row + 4u * lanes, sumB0);
  storeRows(token + 1u, row, sumA1);
  storeRows(token + 1u, row + 4u * lanes, sumB1);
  storeRows(token + 2u, row, sumA2);
  storeRows(token + 2u, row + 4u * lanes, sumB2);
  storeRows(token + 3u, row, sumA3);
  storeRows(token + 3u, row + 4u * lanes, sumB3);
  storeRows(token + 4u, row, sumA4);
  storeRows(token + 4u, row + 4u * lanes, sumB4);
  storeRows(token + 5u, row, sumA5);
  storeRows(token + 5u, row + 4u * lanes, sumB5);
  storeRows(token + 6u, row, sumA6);
  storeRows(token + 6u, row + 4u * lanes, sumB6);
  storeRows(token + 7u, row, sumA7);
  storeRows(token + 7u, row + 4u * lanes, sumB7);
}

fn storeRows(token: u32, row: u32, sums: vec4f) {
  for (var i = 0u; i < 4u; i++) {
    store(token, row + i * lanes, sums[i]);
  }
}
