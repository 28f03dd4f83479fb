// Candidates are counted in chunks: runs of equal length of groups of 32 tokens, the last runs shorter or empty.
// `counted` holds, one after the other,
//   distances [lists, groups of the capacity, 32], 16 bits each, two to a word; no candidate: noDistance;
//   counts, from word dims.countsAt: u32 [lists, bins, chunks]: candidates of a chunk at a distance of `bin` or less.
const groupTokens = 32u;
const noDistance = 0xffffu;

// Groups [begin, end).
struct Chunk {
  begin: u32,
  end: u32,
}

fn chunkAt(attended: AttendedSet, chunks: u32, chunk: u32) -> Chunk {
  let first = attended.sinkEnd / groupTokens;
  let last = (attended.windowStart + groupTokens - 1u) / groupTokens;
  let length = (last - first + chunks - 1u) / chunks;
  let begin = min(first + chunk * length, last);
  return Chunk(begin, min(begin + length, last));
}

// Groups of a list.
fn groupsOf(capacity: u32) -> u32 {
  return (capacity + groupTokens - 1u) / groupTokens;
}
