// Which candidates have the k largest keys, in ascending order of tokens, the most recent first among equal keys; a
// workgroup per list. The k-th largest key is found by counting, eight bits at a time; then every lane lists its own run
// of tokens. Reads the keys six times: for comparison and diagnosis, not for speed.
// list: u32 [lists, listCapacity]. Dims and keyAt come from key-of-weights.wgsl or key-random.wgsl.
override lanes: u32;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<uniform> budget: Budget;
@group(0) @binding(3) var<storage, read_write> list: array<u32>;

const rounds = 4u;
const bins = 256u;

var<workgroup> histograms: array<atomic<u32>, rounds * bins>;
var<workgroup> laneCounts: array<vec2u, lanes>;

// Of a set of tokens: how many have a key above the threshold, how many have the threshold (ties).
fn compared(key: u32, threshold: u32) -> vec2u {
  return select(vec2u(0u), vec2u(1u), vec2<bool>(key > threshold, key == threshold));
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let attended = attendedSetOf(budget, step.position + 1u);
  if (attended.selected == 0u) {
    return;
  }
  let listIndex = workgroup.x;
  let begin = attended.sinkEnd;
  let end = attended.windowStart;

  var threshold = 0u; // its highest bits, in the end all
  var goal = attended.selected; // of the candidates that have these bits, those still to be selected
  for (var round = 0u; round < rounds; round++) {
    let shift = 24u - 8u * round;
    for (var token = begin + lane; token < end; token += lanes) {
      let bits = keyAt(listIndex, token) >> shift;
      if (bits >> 8u == threshold) {
        atomicAdd(&histograms[round * bins + bits % bins], 1u);
      }
    }
    workgroupBarrier();
    var bin = bins - 1u;
    var count = atomicLoad(&histograms[round * bins + bin]);
    while (count < goal) {
      goal -= count;
      bin--;
      count = atomicLoad(&histograms[round * bins + bin]);
    }
    threshold = threshold * bins + bin;
  }

  let run = (end - begin + lanes - 1u) / lanes;
  let first = min(begin + lane * run, end);
  let last = min(first + run, end);
  var own = vec2u(0u);
  for (var token = first; token < last; token++) {
    own += compared(keyAt(listIndex, token), threshold);
  }
  laneCounts[lane] = own;
  workgroupBarrier();
  var before = vec2u(0u);
  var ties = 0u;
  for (var other = 0u; other < lanes; other++) {
    before += select(vec2u(0u), laneCounts[other], other < lane);
    ties += laneCounts[other].y;
  }
  let skippedTies = ties - goal; // the oldest
  for (var token = first; token < last; token++) {
    let kind = compared(keyAt(listIndex, token), threshold);
    if (kind.x == 1u || (kind.y == 1u && before.y >= skippedTies)) {
      list[listIndex * dims.listCapacity + before.x + max(before.y, skippedTies) - skippedTies] = token;
    }
    before += kind;
  }
}
