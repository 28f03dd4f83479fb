// Keys and values of the tokens that a row does not attend to, added up. An invocation takes one word (two dimensions)
// of the key or the value for four neighbouring rows, so that one read serves four. Where rows are few, the tokens are
// split into parts that are added up side by side; a row's parts follow one another.
// mask: u32 [lists, maskRows, maskWords]; keys, values: packed f16 [kvHeads, capacity, headDim];
// sums: f32 [lists, maskRows, 2, headDim], key then value; part p of row r is where row r · parts + p would be.
struct Dims {
  maskRows: u32,
  maskWords: u32,
  listsPerKvHead: u32,
  headDim: u32,
  capacity: u32,
  parts: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> values: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2f>;

const lanes = 64u;

// Bits of the tokens up to the row's own that are not attended to; none for rows beyond the chunk.
fn othersOf(list: u32, row: u32, word: u32) -> u32 {
  let n = step.position + row + 1u;
  if (row >= step.rows || 32u * word >= n) { return 0u; }
  let causal = select((1u << (n % 32u)) - 1u, 0xffffffffu, 32u * word + 32u <= n);
  return ~mask[(list * dims.maskRows + row) * dims.maskWords + word] & causal;
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let firstRow = 4u * workgroup.x;
  let list = workgroup.y;
  let pairs = dims.headDim / 2u;
  let part = workgroup.z % dims.parts;
  let at = lanes * (workgroup.z / dims.parts) + lane;
  if (firstRow >= step.rows || at >= 2u * pairs) { return; }
  let isValue = at >= pairs;
  let pair = at % pairs;
  let begin = list / dims.listsPerKvHead * dims.capacity * pairs + pair;
  let last = step.position + min(firstRow + 4u, step.rows);
  let words = (last + 31u) / 32u;
  let wordsPerPart = (words + dims.parts - 1u) / dims.parts;
  let lastWord = min((part + 1u) * wordsPerPart, words);
  var even = vec4f();
  var odd = vec4f();
  for (var word = part * wordsPerPart; word < lastWord; word++) {
    let others = vec4u(
      othersOf(list, firstRow, word), othersOf(list, firstRow + 1u, word),
      othersOf(list, firstRow + 2u, word), othersOf(list, firstRow + 3u, word),
    );
    var any = (others.x | others.y) | (others.z | others.w);
    while (any != 0u) {
      let bit = firstTrailingBit(any);
      any &= any - 1u;
      let source = begin + (32u * word + bit) * pairs;
      var packed = 0u;
      if (isValue) { packed = values[source]; } else { packed = keys[source]; }
      let row = unpack2x16float(packed);
      let counted = vec4f((others >> vec4u(bit)) & vec4u(1u));
      even += counted * row.x;
      odd += counted * row.y;
    }
  }
  for (var i = 0u; i < 4u; i++) {
    if (firstRow + i < step.rows) {
      let slot = list * dims.maskRows + (firstRow + i) * dims.parts + part;
      sums[slot * 2u * pairs + at] = vec2f(even[i], odd[i]);
    }
  }
}
