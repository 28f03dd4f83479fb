// A split's tiles lie together: what is found on the way is found once for many of them.
fn shareOf(split: u32, tile: u32) -> Share {
  let count = tokenCount();
  let perSplit = ((count + dims.splits - 1u) / dims.splits + tile - 1u) / tile * tile;
  return Share(split * perSplit, min((split + 1u) * perSplit, count), tile);
}
