// What a list leaves out: sums of the K and V rows of its unselected candidates, a block of tokens at a time.
// A block's sum over all its tokens is kept from step to step; the rows attended to are subtracted inside the block,
// before blocks are added, because one sum over a long context would cancel. The current token is added to its block
// here, and a block in which nothing is left out is passed over, so that its rounding does not count.
// One call takes two dimensions of one KV head, in one of `slots` runs of blocks, for all lists of that head: nobody else
// touches its part of blockSums. rowAt comes with main: a word of the cache, counted from its start, of K and of V.
// blockSums: f32 [kvHeads, blocks, 2, headDim]; tailSums: f32 [lists, slots, 2, headDim].
@group(0) @binding(8) var<storage, read_write> blockSums: array<vec2f>;
@group(0) @binding(9) var<storage, read_write> tailSums: array<vec2f>;

fn sumTail(slot: u32, kvHead: u32, word: u32) {
  let words = headDim / 2u;
  let newestBlock = step.position / blockTokens;
  let perSlot = newestBlock / dims.slots + 1u;
  let firstBlock = slot * perSlot;
  let endBlock = min(firstBlock + perSlot, newestBlock + 1u);
  let cacheWord = kvHead * dims.capacity * words + word;
  let sumsWord = kvHead * dims.blocks * 2u * words + word;

  if (firstBlock <= newestBlock && newestBlock < endBlock) {
    let at = sumsWord + newestBlock * 2u * words;
    var sums = rowAt(cacheWord + step.position * words);
    // A block's first token replaces whatever an older sequence left there.
    if (step.position % blockTokens != 0u) {
      sums.key += blockSums[at];
      sums.value += blockSums[at + words];
    }
    blockSums[at] = sums.key;
    blockSums[at + words] = sums.value;
  }

  for (var i = 0u; i < listsPerKvHead; i++) {
    let list = kvHead * listsPerKvHead + i;
    var tail = RowPair();
    for (var block = firstBlock; block < endBlock; block++) {
      let at = sumsWord + block * 2u * words;
      let left = leftOutOf(list, block, cacheWord, RowPair(blockSums[at], blockSums[at + words]));
      tail.key += left.key;
      tail.value += left.value;
    }
    let out = (list * dims.slots + slot) * 2u * words + word;
    tailSums[out] = tail.key;
    tailSums[out + words] = tail.value;
  }
}

// What is left of a block's sums without the rows that are attended to: those from one attended index to another.
// Eight rows are read before any is used.
fn leftOutOf(list: u32, block: u32, cacheWord: u32, sums: RowPair) -> RowPair {
  let words = headDim / 2u;
  let start = block * blockTokens;
  let end = min(start + blockTokens, step.position + 1u);
  let bounds = attendedBefore(list, vec2u(start, end));
  if (bounds.y - bounds.x == end - start) {
    return RowPair();
  }
  var key = vec2f(0.0);
  var value = vec2f(0.0);
  for (var i = bounds.x; i < bounds.y; i += 8u) {
    let near = i + vec4u(0u, 1u, 2u, 3u);
    let far = near + 4u;
    let last = bounds.y - 1u;
    let row0 = rowAt(cacheWord + tokenAt(list, near.x) * words);
    let row1 = rowAt(cacheWord + tokenAt(list, min(near.y, last)) * words);
    let row2 = rowAt(cacheWord + tokenAt(list, min(near.z, last)) * words);
    let row3 = rowAt(cacheWord + tokenAt(list, min(near.w, last)) * words);
    let row4 = rowAt(cacheWord + tokenAt(list, min(far.x, last)) * words);
    let row5 = rowAt(cacheWord + tokenAt(list, min(far.y, last)) * words);
    let row6 = rowAt(cacheWord + tokenAt(list, min(far.z, last)) * words);
    let row7 = rowAt(cacheWord + tokenAt(list, min(far.w, last)) * words);
    let w = select(vec4f(0.0), vec4f(1.0), near <= vec4u(last));
    let v = select(vec4f(0.0), vec4f(1.0), far <= vec4u(last));
    key += row0.key + row1.key * w.y + row2.key * w.z + row3.key * w.w
      + row4.key * v.x + row5.key * v.y + row6.key * v.z + row7.key * v.w;
    value += row0.value + row1.value * w.y + row2.value * w.z + row3.value * w.w
      + row4.value * v.x + row5.value * v.y + row6.value * v.z + row7.value * v.w;
  }
  return RowPair(sums.key - key, sums.value - value);
}

// How many of the attended tokens come before each of two.
fn attendedBefore(list: u32, token: vec2u) -> vec2u {
  let attended = attendedSetOf(budget, step.position + 1u);
  let entries = list * dims.listCapacity;
  var low = vec2u(0u);
  var high = vec2u(attended.selected);
  while (any(low < high)) {
    let middle = (low + high) / 2u;
    let entry = vec2u(tokenLists[entries + middle.x], tokenLists[entries + middle.y]);
    let isBefore = (entry < token) & (low < high);
    low = select(low, middle + 1u, isBefore);
    high = select(middle, high, isBefore);
  }
  let window = max(token, vec2u(attended.windowStart)) - attended.windowStart;
  return min(token, vec2u(attended.sinkEnd)) + low + window;
}
