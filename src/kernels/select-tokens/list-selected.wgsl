// Second half of selecting tokens, a workgroup per chunk of a list's candidates: writes the selected ones in ascending
// order, in tiles of 8192 tokens. A bit per token in workgroup memory says whether it lies below the threshold, another
// whether at it; running sums over words of 32 tokens tell each word its place in the list.
// list: u32 [lists, listCapacity]
struct Dims {
  capacity: u32,
  chunks: u32,
  listsPerHead: u32,
  listCapacity: u32,
}
const tileWords = 256u;
const tileQuads = tileWords * 8u;
override run = tileWords / lanes; // consecutive words that a lane clears, adds up and lists

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(6) var<storage, read_write> list: array<u32>;

var<workgroup> below: array<atomic<u32>, tileWords>;
var<workgroup> ties: array<atomic<u32>, tileWords>;

fn nibble(bits: vec4<bool>) -> u32 {
  let values = select(vec4u(0u), vec4u(1u, 2u, 4u, 8u), bits);
  return (values.x | values.y) | (values.z | values.w);
}

// Quad i of the tile.
fn markQuad(i: u32, distance: vec4u, threshold: u32) {
  let belowBits = nibble(distance < vec4u(threshold));
  let tieBits = nibble(distance == vec4u(threshold));
  if (belowBits != 0u) {
    atomicOr(&below[i / 8u], belowBits << (i % 8u * 4u));
  }
  if (tieBits != 0u) {
    atomicOr(&ties[i / 8u], tieBits << (i % 8u * 4u));
  }
}

// Marks the tokens of the tile that begins at quad `first`.
fn mark(lane: u32, attended: AttendedSet, listIndex: u32, first: u32, end: u32, threshold: u32) {
  for (var word = lane * run; word < (lane + 1u) * run; word++) {
    atomicStore(&below[word], 0u);
    atomicStore(&ties[word], 0u);
  }
  workgroupBarrier();
  for (var i = lane; i < min(tileQuads, end - first); i += 4u * lanes) {
    let distance0 = distancesAt(attended, listIndex, first + i, end);
    let distance1 = distancesAt(attended, listIndex, first + i + lanes, end);
    let distance2 = distancesAt(attended, listIndex, first + i + 2u * lanes, end);
    let distance3 = distancesAt(attended, listIndex, first + i + 3u * lanes, end);
    markQuad(i, distance0, threshold);
    markQuad(i + lanes, distance1, threshold);
    markQuad(i + 2u * lanes, distance2, threshold);
    markQuad(i + 3u * lanes, distance3, threshold);
  }
  workgroupBarrier();
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let attended = attendedSetOf(budget, step.position + 1u);
  if (attended.selected == 0u) {
    return;
  }
  let listIndex = workgroup.y;
  let chunk = chunkAt(attended, workgroup.x);
  let share = shareOf(lane, listIndex, workgroup.x, attended.selected);
  let base = listIndex * dims.listCapacity + share.place;
  var seen = vec2u(0u); // tokens below the threshold and ties in earlier tiles
  for (var first = chunk.begin; first < chunk.end; first += tileQuads) {
    mark(lane, attended, listIndex, first, chunk.end, share.threshold);
    var own = vec2u(0u);
    for (var word = lane * run; word < (lane + 1u) * run; word++) {
      own += countOneBits(vec2u(atomicLoad(&below[word]), atomicLoad(&ties[word])));
    }
    let sums = sumThrough(lane, own);
    var before = seen + sums.through - own;
    seen += sums.all;
    for (var word = lane * run; word < (lane + 1u) * run; word++) {
      let belowBits = atomicLoad(&below[word]);
      let tieBits = atomicLoad(&ties[word]);
      var taken = tieBits;
      for (var tie = before.y; tie < share.skippedTies && taken != 0u; tie++) {
        taken &= taken - 1u;
      }
      taken |= belowBits;
      var at = base + before.x + max(before.y, share.skippedTies) - share.skippedTies;
      while (taken != 0u) {
        list[at] = 4u * first + 32u * word + firstTrailingBit(taken);
        taken &= taken - 1u;
        at++;
      }
      before += countOneBits(vec2u(belowBits, tieBits));
    }
  }
}
