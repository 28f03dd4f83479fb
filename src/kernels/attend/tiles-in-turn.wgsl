// Splits take tiles in turn, so that all workgroups together go through one stretch of each cache at a time.
fn shareOf(split: u32, tile: u32) -> Share {
  return Share(split * tile, tokenCount(), tile * dims.splits);
}
