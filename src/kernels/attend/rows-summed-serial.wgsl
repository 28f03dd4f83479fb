// rows-summed.wgsl for one invocation: a tile of rows at a time, the sums in memory.
// tailSums: f32 [lists, slots + splits, 2, headDim], two dimensions to a vec2f.
@group(0) @binding(9) var<storage, read_write> tailSums: array<vec2f>;

fn addRows(list: u32, split: u32, rows: ptr<function, array<u32, tile>>, count: u32, isFirst: bool) {
  let words = headDim / 2u;
  let out = (list * (dims.slots + dims.splits) + dims.slots + split) * 2u * words;
  for (var word = 0u; word < words; word++) {
    var key = vec2f(0.0);
    var value = vec2f(0.0);
    if (!isFirst) {
      key = tailSums[out + word];
      value = tailSums[out + words + word];
    }
    for (var j = 0u; j < count; j++) {
      let row = (*rows)[j];
      key += unpack2x16float(keyCache[row + word]);
      value += unpack2x16float(valueCache[row + word]);
    }
    tailSums[out + word] = key;
    tailSums[out + words + word] = value;
  }
}

fn clearRows(list: u32, split: u32) {
  let words = headDim / 2u;
  let out = (list * (dims.slots + dims.splits) + dims.slots + split) * 2u * words;
  for (var word = 0u; word < 2u * words; word++) {
    tailSums[out + word] = vec2f(0.0);
  }
}

fn writeRun(list: u32, slot: u32, word: u32, run: RowPair) {
  let words = headDim / 2u;
  let at = (list * (dims.slots + dims.splits) + slot) * 2u * words + word;
  tailSums[at] = run.key;
  tailSums[at + words] = run.value;
}
