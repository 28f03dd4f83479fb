// A workgroup makes 128 tokens × 128 rows, an invocation 8 × 8, in steps of 16 columns held in workgroup memory.
// tile[side][k][quad]: four tokens (side 0) or rows (side 1) of column k; the exclusive or of quad with k / 4 · 2
// spreads the transposed stores over all banks. The next step is read while one is computed.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstRow = group.x * 128u;
  let firstToken = group.y * 128u;
  let side = lane / 128u;
  let loadQuad = lane % 4u;
  let loadFour = (lane % 128u) / 4u;
  let loadFirst = select(firstToken, firstRow, side == 1u) + 4u * loadFour;
  let slot = side * 512u + loadQuad * 128u + (loadFour ^ (2u * loadQuad));
  // An invocation owns two fours of tokens and of rows, 64 apart.
  let tokenFour = lane / 16u;
  let rowFour = lane % 16u;

  var sum0low = vec4f();
  var sum0high = vec4f();
  var sum1low = vec4f();
  var sum1high = vec4f();
  var sum2low = vec4f();
  var sum2high = vec4f();
  var sum3low = vec4f();
  var sum3high = vec4f();
  var sum4low = vec4f();
  var sum4high = vec4f();
  var sum5low = vec4f();
  var sum5high = vec4f();
  var sum6low = vec4f();
  var sum6high = vec4f();
  var sum7low = vec4f();
  var sum7high = vec4f();
  // Each round reads step `quad` while step `quad − 4` is computed.
  for (var quad = 0u; quad <= dims.quads; quad += 4u) {
    var block = mat4x4f();
    if (quad < dims.quads) { block = loadBlock(side, loadFirst, quad + loadQuad); }
    if (quad > 0u) {
      for (var k4 = 0u; k4 < 4u; k4++) {
        let tokenSlot = k4 * 128u + (tokenFour ^ (2u * k4));
        let rowSlot = 512u + k4 * 128u + (rowFour ^ (2u * k4));
        for (var k = 0u; k < 128u; k += 32u) {
          let a = tile[tokenSlot + k];
          let c = tile[tokenSlot + k + 16u];
          let low = tile[rowSlot + k];
          let high = tile[rowSlot + k + 16u];
          sum0low += a.x * low;
          sum0high += a.x * high;
          sum1low += a.y * low;
          sum1high += a.y * high;
          sum2low += a.z * low;
          sum2high += a.z * high;
          sum3low += a.w * low;
          sum3high += a.w * high;
          sum4low += c.x * low;
          sum4high += c.x * high;
          sum5low += c.y * low;
          sum5high += c.y * high;
          sum6low += c.z * low;
          sum6high += c.z * high;
          sum7low += c.w * low;
          sum7high += c.w * high;
        }
      }
    }
    let turned = transpose(block);
    workgroupBarrier();
    tile[slot] = turned[0];
    tile[slot + 32u] = turned[1];
    tile[slot + 64u] = turned[2];
    tile[slot + 96u] = turned[3];
    workgroupBarrier();
  }

  let token = firstToken + 4u * tokenFour;
  let row = firstRow + 4u * rowFour;
  store4(token, row, sum0low);
  store4(token, row + 64u, sum0high);
  store4(token + 1u, row, sum1low);
  store4(token + 1u, row + 64u, sum1high);
  store4(token + 2u, row, sum2low);
  store4(token + 2u, row + 64u, sum2high);
  store4(token + 3u, row, sum3low);
  store4(token + 3u, row + 64u, sum3high);
  store4(token + 64u, row, sum4low);
  store4(token + 64u, row + 64u, sum4high);
  store4(token + 65u, row, sum5low);
  store4(token + 65u, row + 64u, sum5high);
  store4(token + 66u, row, sum6low);
  store4(token + 66u, row + 64u, sum6high);
  store4(token + 67u, row, sum7low);
  store4(token + 67u, row + 64u, sum7high);
}
