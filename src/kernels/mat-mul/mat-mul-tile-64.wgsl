// A workgroup makes 64 tokens × 64 rows, an invocation 4 × 4, in steps of 32 columns held in workgroup memory.
// tile[side][k][quad]: four tokens (side 0) or rows (side 1) of column k; the exclusive or of quad with k / 4
// spreads the transposed stores over all banks. The next step is read while one is computed.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstRow = group.x * 64u;
  let firstToken = group.y * 64u;
  let side = lane / 128u;
  let loadQuad = lane % 8u;
  let loadFour = (lane % 128u) / 8u;
  let loadFirst = select(firstToken, firstRow, side == 1u) + 4u * loadFour;
  let slot = side * 512u + loadQuad * 64u + (loadFour ^ loadQuad);
  let tokenFour = lane / 16u;
  let rowFour = lane % 16u;

  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  // Each round reads step `quad` while step `quad − 8` is computed.
  for (var quad = 0u; quad <= dims.quads; quad += 8u) {
    var block = mat4x4f();
    if (quad < dims.quads) { block = loadBlock(side, loadFirst, quad + loadQuad); }
    if (quad > 0u) {
      for (var k4 = 0u; k4 < 8u; k4++) {
        let tokenSlot = k4 * 64u + (tokenFour ^ k4);
        let rowSlot = 512u + k4 * 64u + (rowFour ^ k4);
        for (var k = 0u; k < 64u; k += 16u) {
          let a = tile[tokenSlot + k];
          let b = tile[rowSlot + k];
          sum0 += a.x * b;
          sum1 += a.y * b;
          sum2 += a.z * b;
          sum3 += a.w * b;
        }
      }
    }
    let turned = transpose(block);
    workgroupBarrier();
    tile[slot] = turned[0];
    tile[slot + 16u] = turned[1];
    tile[slot + 32u] = turned[2];
    tile[slot + 48u] = turned[3];
    workgroupBarrier();
  }

  let token = firstToken + 4u * tokenFour;
  let row = firstRow + 4u * rowFour;
  store4(token, row, sum0);
  store4(token + 1u, row, sum1);
  store4(token + 2u, row, sum2);
  store4(token + 3u, row, sum3);
}
