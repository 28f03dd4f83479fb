// Dot products of four rows of `query` with four rows of `keyCache`, both of `words` words: column i is key i, component h
// query row h, so that a key word serves four query rows and a query word four keys.
// query: array<vec2f>; keyCache: array<u32>, packed halves.
fn dotsOfFour(queryRow: vec4u, keyRow: vec4u, words: u32) -> mat4x4f {
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var word = 0u; word < words; word++) {
    let q0 = query[queryRow.x + word];
    let q1 = query[queryRow.y + word];
    let q2 = query[queryRow.z + word];
    let q3 = query[queryRow.w + word];
    let low = vec4f(q0.x, q1.x, q2.x, q3.x);
    let high = vec4f(q0.y, q1.y, q2.y, q3.y);
    let key0 = unpack2x16float(keyCache[keyRow.x + word]);
    let key1 = unpack2x16float(keyCache[keyRow.y + word]);
    let key2 = unpack2x16float(keyCache[keyRow.z + word]);
    let key3 = unpack2x16float(keyCache[keyRow.w + word]);
    sum0 += key0.x * low + key0.y * high;
    sum1 += key1.x * low + key1.y * high;
    sum2 += key2.x * low + key2.y * high;
    sum3 += key3.x * low + key3.y * high;
  }
  return mat4x4f(sum0, sum1, sum2, sum3);
}
