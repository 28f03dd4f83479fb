// The tail of sparse attention, first half: sums of K and V over all tokens. They are kept per block of tokens from step
// to step; here the current token is added to its block, and runs of blocks are summed side by side. What is attended to
// is subtracted when splits are merged. One call takes two dimensions of one KV head, in one of `slots` runs, for all
// lists of that head: nobody else touches its part of blockSums. rowAt comes with main: a word of the cache, counted from
// its start, of K and of V.
// blockSums: f32 [kvHeads, blocks, 2, headDim]; tailSums: f32 [lists, slots + splits, 2, headDim], runs first; both K
// then V.
@group(0) @binding(8) var<storage, read_write> blockSums: array<vec2f>;

fn sumBlocks(slot: u32, kvHead: u32, word: u32) {
  let words = headDim / 2u;
  let run = blockRunOf(slot, dims.slots, step.position);
  let sumsWord = kvHead * dims.blocks * 2u * words + word;

  if (hasNewest(run)) {
    let at = sumsWord + run.newest * 2u * words;
    var sums = rowAt((kvHead * dims.capacity + step.position) * words + word);
    // A block's first token replaces whatever an older sequence left there.
    if (step.position % blockTokens != 0u) {
      sums.key += blockSums[at];
      sums.value += blockSums[at + words];
    }
    blockSums[at] = sums.key;
    blockSums[at + words] = sums.value;
  }

  // Four blocks are read before any is used.
  var total = RowPair();
  for (var first = run.first; first < run.end; first += 4u) {
    let block = first + vec4u(0u, 1u, 2u, 3u);
    let w = select(vec4f(0.0), vec4f(1.0), block < vec4u(run.end));
    let at = sumsWord + min(block, vec4u(run.end - 1u)) * 2u * words;
    let key0 = blockSums[at.x];
    let key1 = blockSums[at.y];
    let key2 = blockSums[at.z];
    let key3 = blockSums[at.w];
    let value0 = blockSums[at.x + words];
    let value1 = blockSums[at.y + words];
    let value2 = blockSums[at.z + words];
    let value3 = blockSums[at.w + words];
    total.key += (key0 * w.x + key1 * w.y) + (key2 * w.z + key3 * w.w);
    total.value += (value0 * w.x + value1 * w.y) + (value2 * w.z + value3 * w.w);
  }
  for (var i = 0u; i < listsPerKvHead; i++) {
    writeRun(kvHead * listsPerKvHead + i, slot, word, total);
  }
}
