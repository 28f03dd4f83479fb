// The part of the variants for graphics cards: a workgroup brings a tile of inputs, times gain, into workgroup memory,
// from where each lane reads its block of 32 for all rows of its team. Inputs and weights of the next tile are asked
// for before this one's are used, so that a workgroup never waits for both in turn. Nine vectors are kept per block of
// eight: neighbouring lanes then read from different memory banks.
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

// The one or two vectors of a tile that an invocation brings: quads local and local + threads, where there are such.
struct Brought {
  x0: vec4f,
  x1: vec4f,
  gain0: vec4f,
  gain1: vec4f,
}

fn bring(firstBlock: u32, local: u32) -> Brought {
  let last = 8u * dims.blocks - 1u;
  let quad = 8u * firstBlock + local;
  var brought: Brought;
  brought.x0 = x[min(quad, last)];
  if (hasNorm) {
    brought.gain0 = gain[min(quad, last)];
  }
  if (8u * lanes > threads) {
    brought.x1 = x[min(quad + threads, last)];
    if (hasNorm) {
      brought.gain1 = gain[min(quad + threads, last)];
    }
  }
  return brought;
}

// Puts a vector into the tile, times gain; returns its squares. Beyond the row there is nothing to put.
fn stage(firstBlock: u32, i: u32, v: vec4f, g: vec4f) -> f32 {
  if (i >= 8u * lanes || 8u * firstBlock + i >= 8u * dims.blocks) {
    return 0.0;
  }
  if (hasNorm) {
    staged[i + i / 8u] = v * g;
    return dot(v, v);
  }
  staged[i + i / 8u] = v;
  return 0.0;
}

// An invocation's share of its team's sums.
fn accumulate(team: u32, local: u32) -> Share {
  let lane = local % lanes;
  let rows = rowsOf(team);
  let lastBlock = dims.blocks - 1u;
  var share: Share;
  var brought = bring(0u, local);
  var packed = loadRows(rows, min(lane, lastBlock));
  for (var first = 0u; first < dims.blocks; first += lanes) {
    workgroupBarrier(); // the last tile has been read
    share.squares += stage(first, local, brought.x0, brought.gain0);
    if (8u * lanes > threads) {
      share.squares += stage(first, local + threads, brought.x1, brought.gain1);
    }
    brought = bring(first + lanes, local);
    let next = loadRows(rows, min(first + lanes + lane, lastBlock));
    workgroupBarrier();
    if (first + lane < dims.blocks) {
      share.rows += dotRows(packed, stagedBlock(lane));
    }
    packed = next;
  }
  return share;
}
