// Which tokens each of many query rows attends to, exactly as a decode step at that row would choose them: a workgroup
// per (row, list). The k smallest keys among the candidates, the most recent first among equals, are found digit by
// digit: count a digit of all keys that agree with the digits found so far, take the digit where the count reaches k.
// Behind the key's digits come those of the token's age, so that no two tokens are equal.
// mask: u32 [lists, rows, maskWords], a bit per token: sink, selected and window; none beyond the row's own token.
// `keyOf(list, row, token)`, smaller is better, comes from key-*.wgsl.
override lanes: u32;     // of a workgroup, a power of two
override keyDigits: u32; // of 11 bits: 1 where keys are below 2048, 3 for any u32
const ageDigits = 2u;
const digitBits = 11u;
const bins = 2048u;

@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<uniform> budget: Budget;
@group(0) @binding(3) var<storage, read_write> mask: array<u32>;

var<workgroup> histogram: array<atomic<u32>, bins>;
var<workgroup> laneSums: array<u32, 2u * lanes>;
var<workgroup> found: vec2u; // a bin, and how many lie in the bins before it

// The tokens taken: those of a smaller key than `key`, and those of this key that are of `age` or younger.
struct Threshold {
  key: u32,
  age: u32,
}

// The digit at which the count reaches `wanted`, and the count before it.
fn findBin(lane: u32, wanted: u32) -> vec2u {
  let run = bins / lanes;
  var own = 0u;
  for (var bin = lane * run; bin < (lane + 1u) * run; bin++) {
    own += atomicLoad(&histogram[bin]);
  }
  var through = own;
  var copy = 0u;
  laneSums[lane] = through;
  for (var reach = 1u; reach < lanes; reach *= 2u) {
    workgroupBarrier();
    if (lane >= reach) { through += laneSums[copy + lane - reach]; }
    copy = lanes - copy;
    laneSums[copy + lane] = through;
  }
  var before = through - own;
  if (before < wanted && wanted <= through) {
    var bin = lane * run;
    while (before + atomicLoad(&histogram[bin]) < wanted) {
      before += atomicLoad(&histogram[bin]);
      bin++;
    }
    found = vec2u(bin, before);
  }
  return workgroupUniformLoad(&found);
}

fn findThreshold(lane: u32, list: u32, row: u32, attended: AttendedSet) -> Threshold {
  var wanted = attended.selected;
  var threshold = Threshold(0u, 0u);
  var fixedKey = 0u; // bits of the key, then of the age, that are found
  var fixedAge = 0u;
  for (var digit = 0u; digit < keyDigits + ageDigits; digit++) {
    let isAge = digit >= keyDigits;
    let shift = digitBits * (select(keyDigits, keyDigits + ageDigits, isAge) - 1u - digit);
    for (var bin = lane; bin < bins; bin += lanes) {
      atomicStore(&histogram[bin], 0u);
    }
    workgroupBarrier();
    for (var token = attended.sinkEnd + lane; token < attended.windowStart; token += lanes) {
      let key = keyOf(list, row, token);
      let age = attended.windowStart - 1u - token;
      if ((key & fixedKey) == threshold.key && (age & fixedAge) == threshold.age) {
        atomicAdd(&histogram[(select(key, age, isAge) >> shift) % bins], 1u);
      }
    }
    workgroupBarrier();
    let bin = findBin(lane, wanted);
    wanted -= bin.y;
    if (isAge) {
      threshold.age |= bin.x << shift;
      fixedAge |= (bins - 1u) << shift;
    } else {
      threshold.key |= bin.x << shift;
      fixedKey |= (bins - 1u) << shift;
    }
  }
  return threshold;
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = workgroup.x;
  let list = workgroup.y;
  if (row >= step.rows) { return; }
  let n = step.position + row + 1u;
  let attended = attendedSetOf(budget, n);
  let takesAll = attended.selected == attended.windowStart - attended.sinkEnd;
  var threshold = Threshold(0u, 0u);
  if (attended.selected > 0u && !takesAll) {
    threshold = findThreshold(lane, list, row, attended);
  }
  let begin = (list * dims.rows + row) * dims.maskWords;
  // The bits of neighbouring tokens are put together in the histogram's place, a stretch of 32 · bins tokens at a time.
  for (var first = 0u; first < dims.maskWords; first += bins) {
    let words = min(bins, dims.maskWords - first);
    workgroupBarrier();
    for (var word = lane; word < words; word += lanes) {
      atomicStore(&histogram[word], 0u);
    }
    workgroupBarrier();
    for (var token = 32u * first + lane; token < min(n, 32u * (first + words)); token += lanes) {
      var taken = token < attended.sinkEnd || token >= attended.windowStart || takesAll;
      if (!taken && attended.selected > 0u) {
        let key = keyOf(list, row, token);
        let age = attended.windowStart - 1u - token;
        taken = key < threshold.key || (key == threshold.key && age <= threshold.age);
      }
      if (taken) { atomicOr(&histogram[token / 32u - first], 1u << (token % 32u)); }
    }
    workgroupBarrier();
    for (var word = lane; word < words; word += lanes) {
      mask[begin + first + word] = atomicLoad(&histogram[word]);
    }
  }
}
