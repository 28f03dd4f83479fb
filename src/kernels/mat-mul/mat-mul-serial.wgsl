// An invocation makes 8 tokens × 4 rows, straight from memory and without barriers: for adapters that run on the CPU.
// There a load, also of a uniform, costs ten multiplications whatever the lanes read, so that nothing in the loop reads dims,
// and inputs are read once for four invocations: each reads two of the eight tokens and hands them to its quad.
// More tokens or rows at once do not fit the registers. An array that a loop indexes would live in memory.
// The 16 invocations of a workgroup take neighbouring rows: 64 rows in all.
const lanes = 16u;

struct Four { a: Octet, b: Octet, c: Octet, d: Octet }

fn dots(w: Four, low: vec4f, high: vec4f) -> vec4f {
  return vec4f(
    dot(w.a.low, low) + dot(w.a.high, high),
    dot(w.b.low, low) + dot(w.b.high, high),
    dot(w.c.low, low) + dot(w.c.high, high),
    dot(w.d.low, low) + dot(w.d.high, high),
  );
}

// Four columns of the token that starts there: zero beyond the matrix's columns.
fn inputs(start: u32, quad: u32, columns: u32) -> vec4f {
  return first(max(columns, 4u * quad) - 4u * quad, x[start + quad]);
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let columns = dims.columns;
  let groups = groupsPerRow(dims.quads / 8u);
  let row = group.x * 4u * lanes + lane;
  let rows = min(vec4u(row) + vec4u(0u, lanes, 2u * lanes, 3u * lanes), vec4u(dims.rows - 1u));
  let octets = rows * (dims.quads / 2u);
  let scaleGroups = rows * groups;
  let token = group.y * 8u;
  let place = placeInQuad(lane);
  let startA = inputStart(token + place);
  let startB = inputStart(token + 4u + place);
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var sum4 = vec4f();
  var sum5 = vec4f();
  var sum6 = vec4f();
  var sum7 = vec4f();

  for (var block = 0u; 32u * block < columns; block++) {
    let scale0 = scaleOf(scaleGroups.x, block);
    let scale1 = scaleOf(scaleGroups.y, block);
    let scale2 = scaleOf(scaleGroups.z, block);
    let scale3 = scaleOf(scaleGroups.w, block);
    for (var octet = 4u * block; octet < min(4u * block + 4u, (columns + 7u) / 8u); octet++) {
      let w = Four(
        weights8(octets.x + octet, scale0),
        weights8(octets.y + octet, scale1),
        weights8(octets.z + octet, scale2),
        weights8(octets.w + octet, scale3),
      );
      let lowA = inputs(startA, 2u * octet, columns);
      let highA = inputs(startA, 2u * octet + 1u, columns);
      sum0 += dots(w, quadBroadcast(lowA, 0u), quadBroadcast(highA, 0u));
      sum1 += dots(w, quadBroadcast(lowA, 1u), quadBroadcast(highA, 1u));
      sum2 += dots(w, quadBroadcast(lowA, 2u), quadBroadcast(highA, 2u));
      sum3 += dots(w, quadBroadcast(lowA, 3u), quadBroadcast(highA, 3u));
      let lowB = inputs(startB, 2u * octet, columns);
      let highB = inputs(startB, 2u * octet + 1u, columns);
      sum4 += dots(w, quadBroadcast(lowB, 0u), quadBroadcast(highB, 0u));
      sum5 += dots(w, quadBroadcast(lowB, 1u), quadBroadcast(highB, 1u));
      sum6 += dots(w, quadBroadcast(lowB, 2u), quadBroadcast(highB, 2u));
      sum7 += dots(w, quadBroadcast(lowB, 3u), quadBroadcast(highB, 3u));
    }
  }

  storeRows(token, row, sum0);
  storeRows(token + 1u, row, sum1);
  storeRows(token + 2u, row, sum2);
  storeRows(token + 3u, row, sum3);
  storeRows(token + 4u, row, sum4);
  storeRows(token + 5u, row, sum5);
  storeRows(token + 6u, row, sum6);
  storeRows(token + 7u, row, sum7);
}

fn storeRows(token: u32, row: u32, sums: vec4f) {
  for (var i = 0u; i < 4u; i++) {
    store(token, row + i * lanes, sums[i]);
  }
}
