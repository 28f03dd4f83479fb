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

// What is left of a block's sums without the rows that are attended to.
fn leftOutOf(list: u32, block: u32, cacheWord: u32, sums: RowPair) -> RowPair {
  let words = headDim / 2u;
  let n = step.position + 1u;
  let attended = attendedSetOf(budget, n);
  let start = block * blockTokens;
  let end = min(start + blockTokens, n);
  let listed = list * dims.listCapacity;
  let firstListed = listedBefore(listed, attended.selected, start);
  let endListed = listedBefore(listed, attended.selected, end);
  let sinkEnd = clamp(attended.sinkEnd, start, end);
  let windowStart = clamp(attended.windowStart, start, end);
  if (endListed - firstListed == windowStart - sinkEnd) {
    return RowPair();
  }

  var rows = RowPair();
  for (var token = start; token < sinkEnd; token++) {
    let row = rowAt(cacheWord + token * words);
    rows.key += row.key;
    rows.value += row.value;
  }
  for (var token = windowStart; token < end; token++) {
    let row = rowAt(cacheWord + token * words);
    rows.key += row.key;
    rows.value += row.value;
  }
  for (var i = firstListed; i < endListed; i += 4u) {
    let next = i + vec4u(0u, 1u, 2u, 3u);
    let entry = listed + min(next, vec4u(endListed - 1u));
    let at = cacheWord + words * vec4u(tokenLists[entry.x], tokenLists[entry.y], tokenLists[entry.z], tokenLists[entry.w]);
    let weight = select(vec4f(0.0), vec4f(1.0), next < vec4u(endListed));
    let row0 = rowAt(at.x);
    let row1 = rowAt(at.y);
    let row2 = rowAt(at.z);
    let row3 = rowAt(at.w);
    rows.key += row0.key + row1.key * weight.y + row2.key * weight.z + row3.key * weight.w;
    rows.value += row0.value + row1.value * weight.y + row2.value * weight.z + row3.value * weight.w;
  }
  return RowPair(sums.key - rows.key, sums.value - rows.value);
}

// How many entries of an ascending list are smaller than `token`.
fn listedBefore(listed: u32, count: u32, token: u32) -> u32 {
  var low = 0u;
  var high = count;
  while (low < high) {
    let middle = (low + high) / 2u;
    if (tokenLists[listed + middle] < token) {
      low = middle + 1u;
    } else {
      high = middle;
    }
  }
  return low;
}
