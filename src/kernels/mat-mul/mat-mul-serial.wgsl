// An invocation makes 8 tokens × 4 rows, straight from memory and without barriers: for adapters that run on the CPU,
// where a load costs ten multiplications whatever the lanes read, so each decoded weight meets eight tokens.
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
  let row = group.x * 4u * lanes + lane;
  let last = dims.rows - 1u;
  let rowA = min(row, last);
  let rowB = min(row + lanes, last);
  let rowC = min(row + 2u * lanes, last);
  let rowD = min(row + 3u * lanes, last);
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

  let blocks = (dims.columns + 31u) / 32u;
  for (var block = 0u; block < blocks; block++) {
    let scaleA = scaleOf(rowA, block);
    let scaleB = scaleOf(rowB, block);
    let scaleC = scaleOf(rowC, block);
    let scaleD = scaleOf(rowD, block);
    for (var octet = 4u * block; octet < 4u * block + 4u; octet++) {
      let a = weights8(rowA, octet, scaleA);
      let b = weights8(rowB, octet, scaleB);
      let c = weights8(rowC, octet, scaleC);
      let d = weights8(rowD, octet, scaleD);
      let quad = 2u * octet;
      sum0 += dots(a, b, c, d, input4(start0, quad), input4(start0, quad + 1u));
      sum1 += dots(a, b, c, d, input4(start1, quad), input4(start1, quad + 1u));
      sum2 += dots(a, b, c, d, input4(start2, quad), input4(start2, quad + 1u));
      sum3 += dots(a, b, c, d, input4(start3, quad), input4(start3, quad + 1u));
      sum4 += dots(a, b, c, d, input4(start4, quad), input4(start4, quad + 1u));
      sum5 += dots(a, b, c, d, input4(start5, quad), input4(start5, quad + 1u));
      sum6 += dots(a, b, c, d, input4(start6, quad), input4(start6, quad + 1u));
      sum7 += dots(a, b, c, d, input4(start7, quad), input4(start7, quad + 1u));
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
  store(token, row, sums.x);
  store(token, row + lanes, sums.y);
  store(token, row + 2u * lanes, sums.z);
  store(token, row + 3u * lanes, sums.w);
}
