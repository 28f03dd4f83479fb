// How far cached tokens are from a list's query: distance = Σ over planes p of 2^(doubling · p) · popcount(plane p XOR
// signature). Four consecutive tokens (a quad) at a time, one to a component.
// queryPlanes: u32 [lists, planes, words]; signatures: u32 [heads, capacity, words], capacity a multiple of 4.
// List l has the signatures of head l / listsPerHead (headsPerList = 1), or plane p of it those of head
// l · headsPerList + p (headsPerList = planes).
override lanes: u32;        // of a workgroup, a power of two
override planes: u32;
override words: u32;        // of a signature: 1 or 2
override doubling: u32;     // 1: each plane weighs twice the one before; 0: all weigh 1
override headsPerList: u32; // 1 or planes
override bins: u32;         // the largest possible distance, plus 1

@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<uniform> budget: Budget;
@group(0) @binding(3) var<storage, read> queryPlanes: array<u32>;
@group(0) @binding(4) var<storage, read> signatures: array<vec4u>;

const noDistance = 0xffffffffu;

// Quads [begin, end).
struct Chunk {
  begin: u32,
  end: u32,
}

// The candidates' quads are cut into dims.chunks runs of equal length, the last ones shorter or empty.
fn chunkAt(attended: AttendedSet, chunk: u32) -> Chunk {
  let first = attended.sinkEnd / 4u;
  let last = (attended.windowStart + 3u) / 4u;
  let length = (last - first + dims.chunks - 1u) / dims.chunks;
  let begin = min(first + chunk * length, last);
  return Chunk(begin, min(begin + length, last));
}

// The first and second words of four signatures.
struct Quad {
  low: vec4u,
  high: vec4u,
}

fn quadAt(head: u32, quad: u32) -> Quad {
  let at = (head * (dims.capacity / 4u) + quad) * words;
  let first = signatures[at];
  if (words == 1u) {
    return Quad(first, vec4u(0u));
  }
  let second = signatures[at + 1u];
  return Quad(vec4u(first.xz, second.xz), vec4u(first.yw, second.yw));
}

// Of the tokens of a quad; noDistance for those that are no candidates, and from quad `end` on.
fn distancesAt(attended: AttendedSet, list: u32, wanted: u32, end: u32) -> vec4u {
  let quad = min(wanted, end - 1u);
  let head = list * headsPerList / dims.listsPerHead;
  var signature = quadAt(head, quad);
  var distance = vec4u(0u);
  for (var plane = 0u; plane < planes; plane++) {
    if (headsPerList > 1u && plane > 0u) {
      signature = quadAt(head + plane, quad);
    }
    let at = (list * planes + plane) * words;
    var differing = countOneBits(signature.low ^ vec4u(queryPlanes[at]));
    if (words == 2u) {
      differing += countOneBits(signature.high ^ vec4u(queryPlanes[at + 1u]));
    }
    distance += differing << vec4u(plane * doubling);
  }
  let token = 4u * quad + vec4u(0u, 1u, 2u, 3u);
  let last = select(attended.windowStart, 0u, wanted >= end);
  let isCandidate = (token >= vec4u(attended.sinkEnd)) & (token < vec4u(last));
  return select(vec4u(noDistance), distance, isCandidate);
}
