// Sums of K and V are kept per block of tokens: f32 [kvHeads, blocks, 2, headDim], K then V.
const blockTokens = 1024u;

// Two dimensions of a token's K and V, or of sums of them.
struct RowPair {
  key: vec2f,
  value: vec2f,
}

// Blocks first … end − 1, one of `slots` runs over the blocks up to the newest, that of the token at `position`. The last
// runs may be shorter, or empty.
struct BlockRun {
  first: u32,
  end: u32,
  newest: u32,
  newestShare: f32, // of one token in the newest block's mean
}

fn blockRunOf(slot: u32, slots: u32, position: u32) -> BlockRun {
  let newest = position / blockTokens;
  let perSlot = newest / slots + 1u;
  let first = min(slot * perSlot, newest + 1u);
  return BlockRun(
    first,
    min(first + perSlot, newest + 1u),
    newest,
    1.0 / f32(position % blockTokens + 1u),
  );
}

fn hasNewest(run: BlockRun) -> bool {
  return run.first < run.end && run.newest < run.end;
}
