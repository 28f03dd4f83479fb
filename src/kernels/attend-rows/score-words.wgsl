// Scores of four query heads for a row of the cache, a word to a read: for any even headDim.
@group(0) @binding(3) var<storage, read> keys: array<u32>;

fn scoresOf(cacheRow: u32) -> vec4f {
  let pairs = dims.headDim / 2u;
  var scores = vec4f();
  for (var pair = 0u; pair < pairs; pair++) {
    let key = unpack2x16float(keys[cacheRow * pairs + pair]);
    scores += queries[2u * pair] * key.x + queries[2u * pair + 1u] * key.y;
  }
  return scores;
}
