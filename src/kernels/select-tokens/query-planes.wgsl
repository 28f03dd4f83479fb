// The planes of a list's query from the signature maps of its query heads, in workgroup memory.
// doubling = 1: the maps of `summed` heads are added and quantised (query-levels.wgsl); plane b holds bit b of the levels.
// doubling = 0: a plane of signs per query head.
// mapped: f32 [qHeads, bits], four to a vec4f.
override threads: u32;  // of a workgroup, a power of two
override planes: u32;
override words: u32;    // of a signature: 1 or 2
override doubling: u32; // 1: each plane weighs twice the one before; 0: all weigh 1

@group(0) @binding(3) var<storage, read> mapped: array<vec4f>;

override bits = 32u * words;

var<workgroup> sums: array<vec4f, bits / 4u>;
var<workgroup> levels: array<vec4u, bits / 4u>;
var<workgroup> queryPlanes: array<u32, planes * words>;

// By all invocations; the planes are there afterwards.
fn makePlanes(list: u32, thread: u32) {
  let quads = bits / 4u;
  if (doubling == 1u) {
    for (var quad = thread; quad < quads; quad += threads) {
      var sum = vec4f(0.0);
      for (var head = 0u; head < dims.summed; head++) {
        sum += mapped[(list * dims.summed + head) * quads + quad];
      }
      sums[quad] = sum;
    }
    workgroupBarrier();
    for (var quad = thread; quad < quads; quad += threads) {
      levels[quad] = levelsOf(sums[quad], scaleOfSums(), planes);
    }
    workgroupBarrier();
  }
  for (var word = thread; word < planes * words; word += threads) {
    queryPlanes[word] = planeWord(list, word / words, word % words);
  }
  workgroupBarrier();
}

fn planeWord(list: u32, plane: u32, word: u32) -> u32 {
  var packed = 0u;
  for (var quad = 0u; quad < 8u; quad++) {
    if (doubling == 1u) {
      let level = levels[8u * word + quad] >> vec4u(plane);
      packed |= fourBits((level & vec4u(1u)) == vec4u(1u)) << (4u * quad);
    } else {
      packed |= fourBits(mapped[((list * planes + plane) * words + word) * 8u + quad] > vec4f(0.0)) << (4u * quad);
    }
  }
  return packed;
}

fn scaleOfSums() -> f32 {
  var largest = vec4f(0.0);
  for (var quad = 0u; quad < bits / 4u; quad++) {
    largest = max(largest, abs(sums[quad]));
  }
  return levelScale(max(max(largest.x, largest.y), max(largest.z, largest.w)), planes);
}

fn fourBits(isSet: vec4<bool>) -> u32 {
  return dot(select(vec4u(0u), vec4u(1u, 2u, 4u, 8u), isSet), vec4u(1u));
}
