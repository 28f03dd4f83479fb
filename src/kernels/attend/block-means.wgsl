// A tail of block means: every block of tokens with candidates in it enters the softmax as one more token, with the mean
// key and the mean value of all its tokens so far, and the weight of its candidates that are not selected, estimated:
// score = q · mean key / sqrt(headDim) + log(candidates of the block · (1 − selected / candidates)).
// Sums of K and V are kept per block from step to step; here the current token is added to its block. A run of blocks of
// one KV head, one of `slots`, is taken for all query heads of that KV head at once (nobody else touches those blocks),
// and leaves what a split leaves, behind the splits.
// blockSums: f32 [kvHeads, blocks, 2, headDim], K then V.

// Of one token in a block's mean.
fn tokenShare(run: BlockRun, block: u32) -> f32 {
  return select(1.0 / f32(blockTokens), run.newestShare, block == run.newest);
}

// How many tokens a block stands for: not a whole number.
fn weightOf(block: u32, attended: AttendedSet) -> f32 {
  let candidates = attended.windowStart - attended.sinkEnd;
  let start = clamp(block * blockTokens, attended.sinkEnd, attended.windowStart);
  let end = clamp((block + 1u) * blockTokens, attended.sinkEnd, attended.windowStart);
  return f32(end - start) * (f32(candidates - attended.selected) / f32(max(candidates, 1u)));
}
