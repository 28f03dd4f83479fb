// Scores of four query heads for a row of the cache, eight dimensions to a read: where headDim is a multiple of 8.
@group(0) @binding(3) var<storage, read> keys: array<vec4u>;

fn scoresOf(cacheRow: u32) -> vec4f {
  let octets = dims.headDim / 8u;
  var scores = vec4f();
  for (var octet = 0u; octet < octets; octet++) {
    let words = keys[cacheRow * octets + octet];
    let a = unpack2x16float(words.x);
    let b = unpack2x16float(words.y);
    let c = unpack2x16float(words.z);
    let d = unpack2x16float(words.w);
    let at = 8u * octet;
    scores += queries[at] * a.x + queries[at + 1u] * a.y;
    scores += queries[at + 2u] * b.x + queries[at + 3u] * b.y;
    scores += queries[at + 4u] * c.x + queries[at + 5u] * c.y;
    scores += queries[at + 6u] * d.x + queries[at + 7u] * d.y;
  }
  return scores;
}
