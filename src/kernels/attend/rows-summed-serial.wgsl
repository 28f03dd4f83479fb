// rows-summed.wgsl for one invocation, which goes through its split's rows once more.
// tailSums: f32 [lists, slots + splits, 2, headDim], two dimensions to a vec2f.
@group(0) @binding(9) var<storage, read_write> tailSums: array<vec2f>;

// The query heads of a list may be spread over invocations: the first adds up the rows.
fn sumRows(split: u32, headBlock: u32) {
  let blocks = (group + 3u) / 4u;
  if (headBlock % blocks != 0u) {
    return;
  }
  let list = headBlock / blocks;
  let words = headDim / 2u;
  let count = tokenCount();
  let perSplit = ((count + dims.splits - 1u) / dims.splits + 3u) / 4u * 4u;
  let start = split * perSplit;
  let end = min(start + perSplit, count);
  let out = (list * (dims.slots + dims.splits) + dims.slots + split) * 2u * words;
  for (var word = 0u; word < 2u * words; word++) {
    tailSums[out + word] = vec2f(0.0);
  }
  for (var i = start; i < end; i++) {
    let row = (list / listsPerKvHead * dims.capacity + tokenAt(list, i)) * words;
    for (var word = 0u; word < words; word++) {
      tailSums[out + word] += unpack2x16float(keyCache[row + word]);
      tailSums[out + words + word] += unpack2x16float(valueCache[row + word]);
    }
  }
}

fn writeRun(list: u32, slot: u32, word: u32, total: RowPair) {
  let words = headDim / 2u;
  let at = (list * (dims.slots + dims.splits) + slot) * 2u * words + word;
  tailSums[at] = total.key;
  tailSums[at + words] = total.value;
}
