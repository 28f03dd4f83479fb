// How far cached tokens are from a list's query: distance = Σ over planes p of 2^(doubling · p) · popcount(plane p XOR
// signature). Four consecutive tokens (a quad) at a time, one to a component.
// signatures: u32 [heads, capacity, words], capacity a multiple of 4. List l has the signatures of head
// l / listsPerHead (headsPerList = 1), or plane p of it those of head l · headsPerList + p (headsPerList = planes).
override headsPerList: u32; // 1 or planes

@group(0) @binding(4) var<storage, read> signatures: array<vec4u>;

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

// Of the tokens of a quad whose signatures of a list's first head are `first`; noDistance for those that are no
// candidates.
fn distancesOf(attended: AttendedSet, head: u32, quad: u32, first: Quad) -> vec4u {
  var signature = first;
  var distance = vec4u(0u);
  for (var plane = 0u; plane < planes; plane++) {
    if (headsPerList > 1u && plane > 0u) {
      signature = quadAt(head + plane, min(quad, dims.capacity / 4u - 1u));
    }
    var differing = countOneBits(signature.low ^ vec4u(queryPlanes[plane * words]));
    if (words == 2u) {
      differing += countOneBits(signature.high ^ vec4u(queryPlanes[plane * words + 1u]));
    }
    distance += differing << vec4u(plane * doubling);
  }
  let token = 4u * quad + vec4u(0u, 1u, 2u, 3u);
  let isCandidate = (token >= vec4u(attended.sinkEnd)) & (token < vec4u(attended.windowStart));
  return select(vec4u(noDistance), distance, isCandidate);
}
