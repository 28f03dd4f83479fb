// The part for graphics cards that multiply four packed bytes in one instruction: q4 weights against whole numbers.
// With eight inputs x ≈ step · v, v = 256 · high + low (packed-octet.wgsl), and a block's scale and bias,
//   Σ w · x ≈ scale · Σ step · (Σ q · v) + bias · Σ x.
// Σ q · v over an octet is exact (8 · 15 · 32767 < 2²⁴): the only error is the rounding of an input, at most step / 2.
//
// A workgroup takes a tile of `lanes` blocks at a time, lane l the inputs of block l in registers, and walks with them over
// pairs of teams of four rows: all eight rows are asked for before the first is used. They are neighbours, or four and four:
// gate and up rows of the same outputs, or rows half a head apart, which are rotated together.
// What a subgroup finds of a row is one number in workgroup memory; at the end an invocation makes an output of them, and one
// of eight packs an octet of outputs; or an invocation makes two elements of a head, a word of a cache.
const mostPairs = 4u;
// Invocations that exchange values by shuffles: at most the smallest subgroup, a power of two from 4 to 32, divides lanes.
override together: u32;

const isHeads = 3u;

// WebGPU promises eight storage buffers, so two serve two ends. Heads: angles (heads.wgsl) and the cache of keys.
@group(0) @binding(6) var<storage, read> nextGain: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> packedOut: array<u32>;

var<workgroup> partial: array<f32, 8u * mostPairs * (lanes / together)>;
var<workgroup> squareSums: array<f32, lanes / together>;
var<workgroup> made: array<f32, 8u * mostPairs>;

// Σ q · v over a word of weights.
fn dotOctet(word: u32, v: vec4u) -> i32 {
  let even = word & 0x0f0f0f0fu;
  let odd = (word >> 4u) & 0x0f0f0f0fu;
  return 256 * (dot4I8Packed(even, v.x) + dot4I8Packed(odd, v.y))
    + i32(dot4U8Packed(even, v.z) + dot4U8Packed(odd, v.w));
}

fn dotBlockInputs(weight: PackedBlock, inputs: BlockInputs) -> f32 {
  let sums = vec4i(
    dotOctet(weight.words.x, inputs.word0), dotOctet(weight.words.y, inputs.word1),
    dotOctet(weight.words.z, inputs.word2), dotOctet(weight.words.w, inputs.word3),
  );
  return weight.scale * dot(inputs.steps, vec4f(sums)) + weight.bias * inputs.sum;
}

// Past the end, the last one.
fn fourRows(first: u32) -> vec4u {
  return min(first + vec4u(0u, 1u, 2u, 3u), vec4u(dims.rows - 1u));
}

fn dotTeam(rows: PackedRows, inputs: BlockInputs) -> vec4f {
  return vec4f(
    dotBlockInputs(rows.w0, inputs), dotBlockInputs(rows.w1, inputs),
    dotBlockInputs(rows.w2, inputs), dotBlockInputs(rows.w3, inputs),
  );
}

// Of a team's four rows, the one whose sum a lane ends with.
fn rowOfLane(lane: u32) -> u32 {
  return 2u * (lane & 1u) + ((lane >> 1u) & 1u);
}

// Sums over the lanes that have the same place in a quad, every `together` of them. A loop though it costs a few instructions
// a step: written out, a compiler mixes these sums with the reads around them, and products take longer (H200).
fn acrossQuads(value: f32) -> f32 {
  var sum = value;
  for (var mask = 4u; mask < together; mask *= 2u) {
    sum += subgroupShuffleXor(sum, mask);
  }
  return sum;
}

// Sums over `together` lanes: each gives away half of its rows, twice, then adds what others have of the one it keeps.
fn sumOfRow(sums: vec4f, lane: u32) -> f32 {
  let isOdd = (lane & 1u) != 0u;
  let isUpper = (lane & 2u) != 0u;
  let pair = select(sums.xy, sums.zw, isOdd) + subgroupShuffleXor(select(sums.zw, sums.xy, isOdd), 1u);
  return acrossQuads(select(pair.x, pair.y, isUpper) + subgroupShuffleXor(select(pair.y, pair.x, isUpper), 2u));
}

// Adds what a subgroup found of a team, counted within the workgroup.
fn keepSums(team: u32, sums: vec4f, subgroup: u32, lane: u32, isFirst: bool) {
  let sum = sumOfRow(sums, lane);
  if (lane < 4u) {
    let at = (4u * team + rowOfLane(lane)) * (lanes / together) + subgroup;
    partial[at] = select(partial[at] + sum, sum, isFirst);
  }
}

// Of a row of the workgroup, from all subgroups.
fn wholeSum(row: u32) -> f32 {
  var sum = 0.0;
  for (var part = 0u; part < lanes / together; part++) {
    sum += partial[row * (lanes / together) + part];
  }
  return sum;
}

// Two neighbouring elements of a head, rows of the workgroup from `row` on, before rotation.
fn headElements(row: u32, head: u32, element: u32, factor: f32) -> vec2f {
  let elements = factor * vec2f(wholeSum(row), wholeSum(row + 1u));
  if (dims.biased == 0u) {
    return elements;
  }
  let at = head * dims.headDim + element;
  return elements + vec2f(bias[at], bias[at + 1u]);
}

// first: of the head's elements, the first of the lower half that the workgroup has.
fn finishHeads(head: u32, first: u32, local: u32, factor: f32) {
  let half = dims.headDim / 2u;
  let isUpper = (local & 2u) != 0u;
  let element = first + local / 4u * 4u + 2u * (local & 1u);
  let row = local / 4u * 8u + 2u * (local & 1u);
  let low = headElements(row, head, element, factor);
  let high = headElements(row + 4u, head, element + half, factor);
  leaveElements(head, element + select(0u, half, isUpper), rotated(head, element, low, high, isUpper));
}

fn anglesAt(index: u32) -> vec4f {
  return nextGain[index];
}

fn leaveKeys(at: u32, word: u32) {
  packedOut[at] = word;
}

fn leaveValues(at: u32, word: u32) {
  aheadCache[at] = word;
}

@compute @workgroup_size(lanes)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let workgroup = group.y * groups.x + group.x;
  let subgroup = local / together;
  let lane = local % together;
  if (workgroup < dims.readers) {
    if (lane == 0u) {
      readAhead(workgroup * (lanes / together) + subgroup, dims.readers * (lanes / together));
    }
    return;
  }
  let firstPair = (workgroup - dims.readers) * dims.pairs;
  var squares = 0.0;
  for (var firstBlock = 0u; firstBlock < dims.blocks; firstBlock += lanes) {
    let isInside = firstBlock + local < dims.blocks;
    let block = min(firstBlock + local, dims.blocks - 1u);
    let inputs = loadInputs(block);
    squares += select(0.0, inputs.squares, isInside);
    for (var pair = 0u; pair < dims.pairs; pair++) {
      let team = 2u * pair;
      // a head is a row of workgroups; half of its rows are others' second teams
      let row = (firstPair + pair) * dims.stride + group.y * (dims.headDim / 2u);
      let first = loadRows(fourRows(row), block);
      let second = loadRows(fourRows(row + dims.apart), block);
      keepSums(team, select(vec4f(0.0), dotTeam(first, inputs), isInside), subgroup, lane, firstBlock == 0u);
      keepSums(team + 1u, select(vec4f(0.0), dotTeam(second, inputs), isInside), subgroup, lane, firstBlock == 0u);
    }
  }
  if (dims.normed != 0u) {
    squares += subgroupShuffleXor(squares, 1u);
    squares += subgroupShuffleXor(squares, 2u);
    squares = acrossQuads(squares);
    if (lane == 0u) {
      squareSums[subgroup] = squares;
    }
  }
  workgroupBarrier();
  var factor = 1.0;
  if (dims.normed != 0u) {
    squares = 0.0;
    for (var part = 0u; part < lanes / together; part++) {
      squares += squareSums[part];
    }
    factor = factorOf(squares);
  }
  if (dims.finish == isHeads) {
    if (local < 4u * dims.pairs) {
      finishHeads(dims.firstHead + group.y, group.x * 4u * dims.pairs, local, factor);
    }
    return;
  }
  let first = firstPair * dims.stride;
  let count = dims.pairs * dims.stride;
  if (local < count) {
    if (dims.finish == isGated) {
      let gate = local / 4u * 8u + local % 4u;
      made[local] = writeGated(first + local, factor * wholeSum(gate), factor * wholeSum(gate + 4u));
    } else {
      made[local] = writeRow(first + local, factor * wholeSum(local));
    }
  }
  if (dims.packs == 0u) {
    return;
  }
  workgroupBarrier();
  let at = 8u * local;
  if (at >= count || first + at >= dims.rows * dims.stride / 8u) {
    return;
  }
  let octet = (dims.firstOut + first) / 8u + local;
  var gainA = vec4f(1.0);
  var gainB = vec4f(1.0);
  if (dims.packs == 2u) {
    gainA = nextGain[2u * octet];
    gainB = nextGain[2u * octet + 1u];
  }
  let a = vec4f(made[at], made[at + 1u], made[at + 2u], made[at + 3u]);
  let b = vec4f(made[at + 4u], made[at + 5u], made[at + 6u], made[at + 7u]);
  leaveOctet(octet, dims.outBlocks, a, b, gainA, gainB);
}
