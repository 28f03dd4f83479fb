// Sums of K and V over every block of tokens that this list of dispatches touches, afresh from the cache: tokens
// step.position … step.position + step.rows − 1 are the new ones, and a block is summed from its first token to the
// last of them. One invocation takes two dimensions of one block of one KV head; four rows are read before any is used.
// keyCache, valueCache: f16 [kvHeads, capacity, headDim] as words; blockSums: f32 [kvHeads, blocks, 2, headDim].
struct Dims {
  capacity: u32,
  blocks: u32,
  headDim: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> keyCache: array<u32>;
@group(0) @binding(3) var<storage, read> valueCache: array<u32>;
@group(0) @binding(4) var<storage, read_write> blockSums: array<vec2f>;

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let words = dims.headDim / 2u;
  let word = workgroup.z * 32u + lane;
  let kvHead = workgroup.y;
  let length = min(step.position + step.rows, dims.capacity);
  let block = step.position / blockTokens + workgroup.x;
  if (word >= words || step.rows == 0u || block * blockTokens >= length) {
    return;
  }
  let start = (kvHead * dims.capacity + block * blockTokens) * words + word;
  let tokens = min(blockTokens, length - block * blockTokens);
  var sums = RowPair();
  var token = 0u;
  for (; token + 4u <= tokens; token += 4u) {
    let at = start + token * words;
    let row0 = rowAt(at);
    let row1 = rowAt(at + words);
    let row2 = rowAt(at + 2u * words);
    let row3 = rowAt(at + 3u * words);
    sums.key += (row0.key + row1.key) + (row2.key + row3.key);
    sums.value += (row0.value + row1.value) + (row2.value + row3.value);
  }
  for (; token < tokens; token++) {
    let row = rowAt(start + token * words);
    sums.key += row.key;
    sums.value += row.value;
  }
  let out = (kvHead * dims.blocks + block) * 2u * words + word;
  blockSums[out] = sums.key;
  blockSums[out + words] = sums.value;
}

fn rowAt(word: u32) -> RowPair {
  return RowPair(unpack2x16float(keyCache[word]), unpack2x16float(valueCache[word]));
}
