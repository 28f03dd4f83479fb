// The part for graphics cards that multiply four packed bytes in one instruction: q4 weights against whole numbers.
// With eight inputs x ≈ step · v, v = 256 · high + low (packed-octet.wgsl), and a block's scale and bias,
//   Σ w · x ≈ scale · Σ step · (Σ q · v) + bias · Σ x.
// Σ q · v over an octet is exact (8 · 15 · 32767 < 2²⁴): the only error is the rounding of an input, at most step / 2.
//
// A workgroup takes a tile of `lanes` blocks at a time, lane l the inputs of block l in registers, and walks with them over
// `teams` teams of four rows. What each lane finds is kept in workgroup memory and summed at the end, a team by a subgroup.
override teams: u32;
// Invocations that exchange values by shuffles: at most the smallest subgroup, a power of two from 4, divides lanes.
override together: u32;

var<workgroup> partial: array<vec4f, teams * lanes>;
var<workgroup> squareSums: array<f32, lanes / together>;

// What a lane holds of a block of 32 inputs.
struct BlockInputs {
  word0: vec4u, // bytes of the octet that meets the first word of weights
  word1: vec4u,
  word2: vec4u,
  word3: vec4u,
  steps: vec4f,
  sum: f32,
  squares: f32, // before the gain; of all blocks, each is counted by one lane
}

// Σ q · v over a word of weights.
fn dotOctet(word: u32, v: vec4u) -> i32 {
  let even = word & 0x0f0f0f0fu;
  let odd = (word >> 4u) & 0x0f0f0f0fu;
  return 256 * (dot4I8Packed(even, v.x) + dot4I8Packed(odd, v.y))
    + i32(dot4U8Packed(even, v.z) + dot4U8Packed(odd, v.w));
}

fn dotInputs(weight: PackedBlock, inputs: BlockInputs) -> f32 {
  let sums = vec4i(
    dotOctet(weight.words.x, inputs.word0), dotOctet(weight.words.y, inputs.word1),
    dotOctet(weight.words.z, inputs.word2), dotOctet(weight.words.w, inputs.word3),
  );
  return weight.scale * dot(inputs.steps, vec4f(sums)) + weight.bias * inputs.sum;
}

// Of a team's four rows, the one whose sum a lane ends with. When gated, a gate row's neighbour has its up row.
fn rowOfLane(lane: u32) -> u32 {
  return 2u * (lane & 1u) + ((lane >> 1u) & 1u);
}

// Sums over `together` lanes: each gives away half of its rows, twice, then adds what others have of the one it keeps.
fn sumOfRow(sums: vec4f, lane: u32) -> f32 {
  let isOdd = (lane & 1u) != 0u;
  let isUpper = (lane & 2u) != 0u;
  let pair = select(sums.xy, sums.zw, isOdd) + subgroupShuffleXor(select(sums.zw, sums.xy, isOdd), 1u);
  var sum = select(pair.x, pair.y, isUpper) + subgroupShuffleXor(select(pair.y, pair.x, isUpper), 2u);
  for (var mask = 4u; mask < together; mask *= 2u) {
    sum += subgroupShuffleXor(sum, mask);
  }
  return sum;
}

@compute @workgroup_size(lanes)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let firstTeam = (group.y * groups.x + group.x) * teams;
  var squares = 0.0;
  for (var firstBlock = 0u; firstBlock < dims.blocks; firstBlock += lanes) {
    let inputs = loadInputs(firstBlock, local);
    squares += inputs.squares;
    let block = min(firstBlock + local, dims.blocks - 1u);
    let isInside = firstBlock + local < dims.blocks;
    for (var team = 0u; team < teams; team++) {
      let rows = loadRows(rowsOf(firstTeam + team), block);
      let sums = vec4f(
        dotInputs(rows.w0, inputs), dotInputs(rows.w1, inputs), dotInputs(rows.w2, inputs), dotInputs(rows.w3, inputs),
      );
      let at = team * lanes + local;
      if (firstBlock == 0u) {
        partial[at] = select(vec4f(0.0), sums, isInside);
      } else if (isInside) {
        partial[at] += sums;
      }
    }
  }
  let subgroup = local / together;
  let lane = local % together;
  if (hasNorm) {
    for (var mask = 1u; mask < together; mask *= 2u) {
      squares += subgroupShuffleXor(squares, mask);
    }
    if (lane == 0u) {
      squareSums[subgroup] = squares;
    }
  }
  workgroupBarrier();
  squares = 0.0;
  if (hasNorm) {
    for (var i = 0u; i < lanes / together; i++) {
      squares += squareSums[i];
    }
  }
  let factor = factorOf(squares);
  for (var first = 0u; first < teams; first += lanes / together) {
    let team = first + subgroup;
    var sums = vec4f(0.0);
    for (var i = lane; i < lanes; i += together) {
      sums += partial[min(team, teams - 1u) * lanes + i];
    }
    let sum = factor * sumOfRow(sums, lane);
    let partner = subgroupShuffleXor(sum, 1u);
    if (team < teams && lane < 4u) {
      if (finishKind != isGated) {
        let row = rowOfLane(lane);
        keepOutput(4u * team + row, writeRow(4u * (firstTeam + team) + row, sum));
      } else if ((lane & 1u) == 0u) {
        let output = lane / 2u;
        keepOutput(2u * team + output, writeGated(2u * (firstTeam + team) + output, sum, partner));
      }
    }
  }
  packOutputs(firstTeam, local);
}
