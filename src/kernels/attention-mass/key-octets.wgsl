// Eight dimensions to a read: where headDim is a multiple of 8.
@group(0) @binding(3) var<storage, read> keys: array<vec4u>;

fn scoresOf(cacheRow: u32) -> Eight {
  let octets = dims.headDim / 8u;
  var scores = Eight();
  for (var octet = 0u; octet < octets; octet++) {
    let words = keys[cacheRow * octets + octet];
    scores = addProduct(scores, 8u * octet, unpack2x16float(words.x));
    scores = addProduct(scores, 8u * octet + 2u, unpack2x16float(words.y));
    scores = addProduct(scores, 8u * octet + 4u, unpack2x16float(words.z));
    scores = addProduct(scores, 8u * octet + 6u, unpack2x16float(words.w));
  }
  return scores;
}
