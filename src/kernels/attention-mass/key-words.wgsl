// A word to a read: for any even headDim.
@group(0) @binding(3) var<storage, read> keys: array<u32>;

fn scoresOf(cacheRow: u32) -> Eight {
  let pairs = dims.headDim / 2u;
  var scores = Eight();
  for (var pair = 0u; pair < pairs; pair++) {
    scores = addProduct(scores, 2u * pair, unpack2x16float(keys[cacheRow * pairs + pair]));
  }
  return scores;
}
