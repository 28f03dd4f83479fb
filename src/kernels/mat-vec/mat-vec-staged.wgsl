// The part of the variants for graphics cards: a workgroup brings a tile of inputs, times gain, into workgroup memory,
// from where each lane reads its block of 32 for all rows of its team. Weights of the tile are asked for before the
// barriers, so that they are under way meanwhile. Nine vectors are kept per block of eight: neighbouring lanes then
// read from different memory banks.
const threads = 256u;

var<workgroup> staged: array<vec4f, 9u * lanes>;

struct Share {
  rows: vec4f,  // of a team's sums
  squares: f32, // of the workgroup's Σ x²
}

fn stagedBlock(lane: u32) -> Inputs {
  let at = 9u * lane;
  return Inputs(
    staged[at], staged[at + 1u], staged[at + 2u], staged[at + 3u],
    staged[at + 4u], staged[at + 5u], staged[at + 6u], staged[at + 7u],
  );
}

// An invocation's share of its team's sums.
fn accumulate(team: u32, local: u32) -> Share {
  let lane = local % lanes;
  let rows = rowsOf(team);
  let quads = 8u * dims.blocks;
  var share: Share;
  for (var first = 0u; first < dims.blocks; first += lanes) {
    let block = first + lane;
    let packed = loadRows(rows, min(block, dims.blocks - 1u));
    workgroupBarrier(); // the last tile has been read
    for (var i = local; i < 8u * lanes; i += threads) {
      let quad = 8u * first + i;
      if (quad < quads) {
        var v = x[quad];
        if (hasNorm) {
          share.squares += dot(v, v);
          v *= gain[quad];
        }
        staged[i + i / 8u] = v;
      }
    }
    workgroupBarrier();
    if (block < dims.blocks) {
      share.rows += dotRows(packed, stagedBlock(lane));
    }
  }
  return share;
}
