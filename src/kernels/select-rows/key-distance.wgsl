// A token's key is its distance: Σ over planes p of 2^(doubling · p) · popcount(plane p XOR signature).
// planes: u32 [rows, lists, planes, words]; signatures: u32 [heads, capacity, words]. List l has the signatures of
// head l / listsPerHead, or plane p of it those of head l · headsPerList + p (headsPerList = planes).
struct Dims {
  rows: u32,
  maskWords: u32,
  lists: u32,
  listsPerHead: u32,
  headsPerList: u32,
  planes: u32,
  doubling: u32,
  words: u32,
  capacity: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(4) var<storage, read> queryPlanes: array<u32>;
@group(0) @binding(5) var<storage, read> signatures: array<u32>;

fn keyOf(list: u32, row: u32, token: u32) -> u32 {
  let head = list * dims.headsPerList / dims.listsPerHead;
  let queryBegin = (row * dims.lists + list) * dims.planes * dims.words;
  let hasOwn = dims.headsPerList > 1u;
  var distance = 0u;
  for (var word = 0u; word < dims.words; word++) {
    var signature = 0u;
    for (var plane = 0u; plane < dims.planes; plane++) {
      if (hasOwn || plane == 0u) {
        signature = signatures[((head + select(0u, plane, hasOwn)) * dims.capacity + token) * dims.words + word];
      }
      let differing = countOneBits(queryPlanes[queryBegin + plane * dims.words + word] ^ signature);
      distance += differing << (plane * dims.doubling);
    }
  }
  return distance;
}
