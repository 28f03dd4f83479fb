// How many of a row's k candidates of most attention are among its k of highest score, and what mass those hold.
// k = min(max(⌊n · share⌋, 1), candidates), n = p + 1. Ties are filled most recent first, as in selection.
// results[list, row] = (found / k, mass at the k of highest score, mass at the k of most attention, mass of candidates);
// zero where there are no candidates. One workgroup per list and row.
struct Dims { rows: u32, tokens: u32, sink: u32, window: u32, firstResult: u32, share: f32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> positions: array<u32>;
@group(0) @binding(2) var<storage, read> targets: array<f32>;
@group(0) @binding(3) var<storage, read> scores: array<f32>;
@group(0) @binding(4) var<storage, read_write> results: array<vec4f>;

override threads: u32; // a power of two
var<workgroup> parts: array<vec4f, threads>;

const byTarget = 0u;
const byScore = 1u;

fn keyAt(kind: u32, at: u32) -> u32 {
  if (kind == byTarget) { return rankKey(targets[at]); }
  return rankKey(scores[at]);
}

// A token is chosen where its key is above `key`, or equals it and the token is not before `from`.
struct Cut { key: u32, since: u32 }

struct Range { start: u32, begin: u32, end: u32 }

fn isChosen(kind: u32, range: Range, cut: Cut, token: u32) -> bool {
  let key = keyAt(kind, range.start + token);
  return key > cut.key || (key == cut.key && token >= cut.since);
}

fn countChosen(kind: u32, range: Range, cut: Cut, lane: u32) -> u32 {
  var count = 0u;
  for (var token = range.begin + lane; token < range.end; token += threads) {
    count += u32(isChosen(kind, range, cut, token));
  }
  return countTogether(lane, count);
}

// The last cut that still chooses k tokens: first by key, then among equals.
fn cutFor(kind: u32, range: Range, k: u32, lane: u32) -> Cut {
  var cut = Cut(0u, 0u);
  for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
    let next = Cut(cut.key | bit, 0u);
    if (countChosen(kind, range, next, lane) >= k) { cut = next; }
  }
  for (var bit = 1u << (31u - countLeadingZeros(dims.tokens)); bit > 0u; bit >>= 1u) {
    let next = Cut(cut.key, cut.since | bit);
    if (countChosen(kind, range, next, lane) >= k) { cut = next; }
  }
  return cut;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let list = group.y;
  let n = positions[row] + 1u;
  let end = max(dims.sink, max(n, dims.window) - dims.window);
  let range = Range((list * dims.rows + row) * dims.tokens, dims.sink, end);
  let k = min(max(u32(f32(n) * dims.share), 1u), end - dims.sink);
  let best = cutFor(byTarget, range, k, lane);
  let guess = cutFor(byScore, range, k, lane);
  var part = vec4f();
  for (var token = range.begin + lane; token < range.end; token += threads) {
    let mass = targets[range.start + token];
    let isBest = isChosen(byTarget, range, best, token);
    let isGuess = isChosen(byScore, range, guess, token);
    part += vec4f(f32(isBest && isGuess), select(0.0, mass, isGuess), select(0.0, mass, isBest), mass);
  }
  parts[lane] = part;
  for (var width = threads / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { parts[lane] += parts[lane + width]; }
  }
  if (lane == 0u) {
    let sums = parts[0];
    results[dims.firstResult + list * dims.rows + row] = vec4f(sums.x / f32(max(k, 1u)), sums.yzw);
  }
}
