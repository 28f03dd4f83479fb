// Candidates are counted in chunks: runs of equal length of groups of 32 tokens, the last runs shorter or empty.
// `counted` holds, one after the other,
//   distances [lists, groups of the capacity, 32], 16 bits each, two to a word; no candidate: noDistance;
//   counts, from word dims.countsAt: u32 [lists, chunks, runs + runs · fineBins]: candidates of a chunk at a distance of
//   at most (r + 1) · fineBins − 1 for every run r of bins, then the same of every single bin.
const groupTokens = 32u;
const noDistance = 0x7fffu;
const runs = 32u;
override fineBins: u32; // bins to a run: 4, 8, 16 or 32

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

// Word where a chunk's counts begin.
fn countsOf(list: u32, chunk: u32) -> u32 {
  return dims.countsAt + (list * dims.chunks + chunk) * (runs + runs * fineBins);
}
