// The part for graphics cards that multiply four packed bytes in one instruction: q4 weights against whole numbers.
// With eight inputs x ≈ step · v, v = 256 · high + low (packed-octet.wgsl), and a block's scale and bias,
//   Σ w · x ≈ scale · Σ step · (Σ q · v) + bias · Σ x.
// Σ q · v over an octet is exact (8 · 15 · 32767 < 2²⁴): the only error is the rounding of an input, at most step / 2.
//
// A workgroup takes a tile of `lanes` blocks at a time, lane l the inputs of block l in registers, and walks with them over
// pairs of teams of four rows: all eight rows are asked for before the first is used. What a subgroup finds of a row is one
// number in workgroup memory; at the end an invocation makes an output of them, and one of eight packs an octet of outputs.
const mostPairs = 4u;
// Invocations that exchange values by shuffles: at most the smallest subgroup, a power of two from 4 to 32, divides lanes.
override together: u32;

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

// Sums over the lanes that have the same place in a quad, every `together` of them. Written out: a loop of unknown steps
// costs more than what is in it.
fn acrossQuads(value: f32) -> f32 {
  var sum = value;
  if (together > 4u) {
    sum += subgroupShuffleXor(sum, 4u);
  }
  if (together > 8u) {
    sum += subgroupShuffleXor(sum, 8u);
  }
  if (together > 16u) {
    sum += subgroupShuffleXor(sum, 16u);
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
  let firstTeam = (workgroup - dims.readers) * 2u * dims.pairs;
  var squares = 0.0;
  for (var firstBlock = 0u; firstBlock < dims.blocks; firstBlock += lanes) {
    let isInside = firstBlock + local < dims.blocks;
    let block = min(firstBlock + local, dims.blocks - 1u);
    let inputs = loadInputs(block);
    squares += select(0.0, inputs.squares, isInside);
    for (var pair = 0u; pair < dims.pairs; pair++) {
      let team = 2u * pair;
      let first = loadRows(rowsOf(firstTeam + team), block);
      let second = loadRows(rowsOf(firstTeam + team + 1u), block);
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
  let perTeam = select(4u, 2u, dims.finish == isGated);
  let first = firstTeam * perTeam;
  let count = 2u * dims.pairs * perTeam;
  if (local < count) {
    if (dims.finish == isGated) {
      let gate = 4u * (local / 2u) + local % 2u;
      made[local] = writeGated(first + local, factor * wholeSum(gate), factor * wholeSum(gate + 2u));
    } else {
      made[local] = writeRow(first + local, factor * wholeSum(local));
    }
  }
  if (dims.packs == 0u) {
    return;
  }
  workgroupBarrier();
  let at = 8u * local;
  if (at >= count || first + at >= dims.rows * perTeam / 4u) {
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
