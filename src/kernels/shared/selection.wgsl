// Which candidates of a list are selected, from how many of every chunk lie within each distance: all below a threshold
// distance, and of those at it (ties) the most recent that still fit, so the oldest are skipped. The place of a selected
// token in the list follows from how many are below and at the threshold before it:
//   place = below before it + max(ties before it, skipped) − skipped.
// The kernel declares `counted` (token-chunks.wgsl; a vec4u has eight distances or four counts) and dims: capacity,
// countsAt and chunks, a multiple of 4, at most 32. find-selection.wgsl or find-selection-subgroup.wgsl finds the threshold.
const maxChunks = 32u;
const unitTokens = 16u; // looked at together

struct Selection {
  threshold: u32,
  skippedTies: u32,
}

var<workgroup> chunkStarts: array<vec2u, maxChunks>; // candidates below and at the threshold in earlier chunks

fn componentOf(quad: vec4u, i: u32) -> u32 {
  return select(select(quad.x, quad.y, i == 1u), select(quad.z, quad.w, i == 3u), i >= 2u);
}

// Place in the list of a token with so many candidates below and at the threshold before it.
fn placeAfter(before: vec2u, skippedTies: u32) -> u32 {
  return before.x + max(before.y, skippedTies) - skippedTies;
}

// Where a chunk's selected tokens begin in the list; the length of the list for the chunk after the last.
fn placeOf(chunk: u32, goal: u32, skippedTies: u32) -> u32 {
  if (chunk >= dims.chunks) {
    return goal;
  }
  return placeAfter(chunkStarts[chunk], skippedTies);
}

// Distances of sixteen tokens, two to a word.
struct Unit {
  a: vec4u,
  b: vec4u,
}

fn unitAt(list: u32, unit: u32) -> Unit {
  let at = (list * groupsOf(dims.capacity) * (groupTokens / unitTokens) + unit) * 2u;
  return Unit(counted[at], counted[at + 1u]);
}

// Tokens of a unit below the threshold and at it, the first in the lowest bit. Two distances to a word are compared at
// once: distances have 15 bits, so what is subtracted leaves bit 15 where it is no larger, and never borrows.
fn marksOf(unit: Unit, threshold: u32) -> vec2u {
  let top = vec4u(0x80008000u);
  let limit = vec4u((threshold | 0x8000u) * 0x10001u);
  let lower = limit - vec4u(0x10001u);
  let within = gathered((limit - unit.a) & top, (limit - unit.b) & top);
  let below = gathered((lower - unit.a) & top, (lower - unit.b) & top);
  return vec2u(below, within & ~below);
}

// Bits 15 and 31 of eight words, the first word's lowest.
fn gathered(a: vec4u, b: vec4u) -> u32 {
  let quads = (a >> vec4u(15u, 13u, 11u, 9u)) | (b >> vec4u(7u, 5u, 3u, 1u));
  let bits = (quads.x | quads.y) | (quads.z | quads.w);
  return (bits | (bits >> 15u)) & 0xffffu;
}

// Marks of the selected tokens among `marks`. `before`: candidates below and at the threshold before them.
fn takenOf(marks: vec2u, before: vec2u, skippedTies: u32) -> u32 {
  var ties = marks.y;
  for (var tie = before.y; tie < skippedTies && ties != 0u; tie++) {
    ties &= ties - 1u;
  }
  return marks.x | ties;
}

// Place of the lowest bit that is set, of which there is one.
fn lowestBit(bits: u32) -> u32 {
  return countOneBits(~bits & (bits - 1u));
}

// Sums of candidates below and at the threshold, 16 bits each, so that they are added together.
fn packed(counts: vec2u) -> u32 {
  return counts.x | (counts.y << 16u);
}

fn unpacked(counts: u32) -> vec2u {
  return vec2u(counts & 0xffffu, counts >> 16u);
}
