// An invocation makes 8 tokens × 4 rows, straight from memory and without barriers: for adapters that run on the CPU.
// There a load, also of a uniform, costs ten multiplications whatever the lanes read: each decoded weight meets eight
// tokens, each input four rows, and nothing in the loop reads dims.
// The 16 invocations of a workgroup take neighbouring rows: 64 rows in all.
const lanes = 16u;

fn dots(a: Octet, b: Octet, c: Octet, d: Octet, low: vec4f, high: vec4f) -> vec4f {
  return vec4f(
    dot(a.low, low) + dot(a.high, high),
    dot(b.low, low) + dot(b.high, high),
    dot(c.low, low) + dot(c.high, high),
    dot(d.low, low) + dot(d.high, high),
  );
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let columns = dims.columns;
  let octets = dims.quads / 2u;
  let groups = groupsPerRow(dims.quads / 8u);
  let row = group.x * 4u * lanes + lane;
  let rows = min(vec4u(row) + vec4u(0u, lanes, 2u * lanes, 3u * lanes), vec4u(dims.rows - 1u));
  let firstOctet = rows * octets;
  let firstGroup = rows * groups;
  let token = group.y * 8u;
  let start0 = inputStart(token);
  let start1 = inputStart(token + 1u);
  let start2 = inputStart(token + 2u);
  let start3 = inputStart(token + 3u);
  let start4 = inputStart(token + 4u);
  let start5 = inputStart(token + 5u);
  let start6 = inputStart(token + 6u);
  let start7 = inputStart(token + 7u);
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var sum4 = vec4f();
  var sum5 = vec4f();
  var sum6 = vec4f();
  var sum7 = vec4f();

  for (var block = 0u; 32u * block < columns; block++) {
    let scaleA = scaleOf(firstGroup.x, block);
    let scaleB = scaleOf(firstGroup.y, block);
    let scaleC = scaleOf(firstGroup.z, block);
    let scaleD = scaleOf(firstGroup.w, block);
    for (var octet = 4u * block; octet < min(4u * block + 4u, columns / 8u); octet++) {
      let a = weights8(firstOctet.x + octet, scaleA);
      let b = weights8(firstOctet.y + octet, scaleB);
      let c = weights8(firstOctet.z + octet, scaleC);
      let d = weights8(firstOctet.w + octet, scaleD);
      let quad = 2u * octet;
      sum0 += dots(a, b, c, d, x[start0 + quad], x[start0 + quad + 1u]);
      sum1 += dots(a, b, c, d, x[start1 + quad], x[start1 + quad + 1u]);
      sum2 += dots(a, b, c, d, x[start2 + quad], x[start2 + quad + 1u]);
      sum3 += dots(a, b, c, d, x[start3 + quad], x[start3 + quad + 1u]);
      sum4 += dots(a, b, c, d, x[start4 + quad], x[start4 + quad + 1u]);
      sum5 += dots(a, b, c, d, x[start5 + quad], x[start5 + quad + 1u]);
      sum6 += dots(a, b, c, d, x[start6 + quad], x[start6 + quad + 1u]);
      sum7 += dots(a, b, c, d, x[start7 + quad], x[start7 + quad + 1u]);
    }
  }

  // Columns beyond the last eight: those of the inputs that are not the matrix's count as zero.
  let left = columns % 8u;
  if (left > 0u) {
    let octet = columns / 8u;
    let a = weights8(firstOctet.x + octet, scaleOf(firstGroup.x, octet / 4u));
    let b = weights8(firstOctet.y + octet, scaleOf(firstGroup.y, octet / 4u));
    let c = weights8(firstOctet.z + octet, scaleOf(firstGroup.z, octet / 4u));
    let d = weights8(firstOctet.w + octet, scaleOf(firstGroup.w, octet / 4u));
    let quad = 2u * octet;
    let more = max(left, 4u) - 4u;
    sum0 += dots(a, b, c, d, first(left, x[start0 + quad]), first(more, x[start0 + quad + 1u]));
    sum1 += dots(a, b, c, d, first(left, x[start1 + quad]), first(more, x[start1 + quad + 1u]));
    sum2 += dots(a, b, c, d, first(left, x[start2 + quad]), first(more, x[start2 + quad + 1u]));
    sum3 += dots(a, b, c, d, first(left, x[start3 + quad]), first(more, x[start3 + quad + 1u]));
    sum4 += dots(a, b, c, d, first(left, x[start4 + quad]), first(more, x[start4 + quad + 1u]));
    sum5 += dots(a, b, c, d, first(left, x[start5 + quad]), first(more, x[start5 + quad + 1u]));
    sum6 += dots(a, b, c, d, first(left, x[start6 + quad]), first(more, x[start6 + quad + 1u]));
    sum7 += dots(a, b, c, d, first(left, x[start7 + quad]), first(more, x[start7 + quad + 1u]));
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
