// The part for graphics cards that multiply four packed bytes in one instruction: q4 weights against whole numbers.
// A block of 32 inputs becomes x ≈ step · v with integers |v| ≤ 32767 and step = max|x| / 32767, so that
//   Σ w · x ≈ step · (scale · Σ q · v + bias · Σ v),  v = 256 · high + low, high a signed byte and low an unsigned one.
// Both sums are exact (32 · 15 · 32767 < 2²⁴): the only error is the rounding of an input, at most step / 2.
//
// A workgroup takes a tile of `lanes` blocks at a time, lane l the inputs of block l in registers, and walks with them over
// `teams` teams of four rows. What each lane finds is kept in workgroup memory and summed at the end, a team by a subgroup.
override teams: u32;
// Invocations that exchange values by shuffles: at most the smallest subgroup, a power of two from 4, divides lanes.
override together: u32;

var<workgroup> partial: array<vec4f, teams * lanes>;
var<workgroup> squareSums: array<f32, lanes / together>;

// Eight inputs times gain, the columns of one word of weights.
struct Octet {
  a: vec4f,
  b: vec4f,
  largest: f32, // of |a|, |b|
  squares: f32, // before the gain
}

// Bytes in the order in which a word's nibbles come apart. x: high bytes of columns 0, 2, 4, 6; y: of 1, 3, 5, 7;
// z and w: low bytes likewise.
alias PackedOctet = vec4u;

struct PackedInputs {
  word0: PackedOctet,
  word1: PackedOctet,
  word2: PackedOctet,
  word3: PackedOctet,
  step: f32,
  sum: f32,     // of the inputs as rounded
  squares: f32, // of the octets that this lane read
}

fn loadOctet(block: u32, word: u32) -> Octet {
  let at = 8u * min(block, dims.blocks - 1u) + 2u * word;
  var octet: Octet;
  octet.a = x[at];
  octet.b = x[at + 1u];
  if (hasNorm) {
    if (block < dims.blocks) {
      octet.squares = dot(octet.a, octet.a) + dot(octet.b, octet.b);
    }
    octet.a *= gain[at];
    octet.b *= gain[at + 1u];
  }
  let largest = max(abs(octet.a), abs(octet.b));
  octet.largest = max(max(largest.x, largest.y), max(largest.z, largest.w));
  return octet;
}

// Adding 1.5 · 2²³ rounds to an integer and leaves it, as 16 bits in two's complement, at the end of the float's bits.
fn packOctet(octet: Octet, stepsPerUnit: f32) -> PackedOctet {
  let a = bitcast<vec4u>(octet.a * stepsPerUnit + 12582912.0);
  let b = bitcast<vec4u>(octet.b * stepsPerUnit + 12582912.0);
  let pairs = (a & vec4u(0xffffu)) | (b << vec4u(16u)); // columns (0, 4), (1, 5), (2, 6), (3, 7)
  let high = ((pairs.xy >> vec2u(8u)) & vec2u(0x00ff00ffu)) | (pairs.zw & vec2u(0xff00ff00u));
  let low = (pairs.xy & vec2u(0x00ff00ffu)) | ((pairs.zw & vec2u(0x00ff00ffu)) << vec2u(8u));
  return vec4u(high, low);
}

fn sumOfOctet(v: PackedOctet) -> i32 {
  const ones = 0x01010101u;
  return 256 * (dot4I8Packed(v.x, ones) + dot4I8Packed(v.y, ones))
    + i32(dot4U8Packed(v.z, ones) + dot4U8Packed(v.w, ones));
}

// Of two octets, the one that belongs to the other lane goes there, and what comes back takes its place.
struct Pair {
  first: PackedOctet,
  second: PackedOctet,
}

fn swap(pair: Pair, mask: u32, isUpper: bool) -> Pair {
  let got = subgroupShuffleXor(select(pair.second, pair.first, isUpper), mask);
  return Pair(select(pair.first, got, isUpper), select(got, pair.second, isUpper));
}

// The inputs of block firstBlock + local. So that neighbouring lanes read neighbouring memory, four lanes read and pack an
// octet of each of their four blocks, and then exchange them: a transposition of four by four.
fn packInputs(firstBlock: u32, local: u32) -> PackedInputs {
  let word = local & 3u;
  let block = firstBlock + (local & ~3u);
  let octet0 = loadOctet(block, word);
  let octet1 = loadOctet(block + 1u, word);
  let octet2 = loadOctet(block + 2u, word);
  let octet3 = loadOctet(block + 3u, word);
  var largest = vec4f(octet0.largest, octet1.largest, octet2.largest, octet3.largest);
  largest = max(largest, subgroupShuffleXor(largest, 1u));
  largest = max(largest, subgroupShuffleXor(largest, 2u));
  largest = max(largest, vec4f(1e-30)); // a block of zeros
  let stepsPerUnit = 32767.0 / largest;
  let isOdd = (local & 1u) != 0u;
  let isUpper = (local & 2u) != 0u;
  let near01 = swap(Pair(packOctet(octet0, stepsPerUnit.x), packOctet(octet1, stepsPerUnit.y)), 1u, isOdd);
  let near23 = swap(Pair(packOctet(octet2, stepsPerUnit.z), packOctet(octet3, stepsPerUnit.w)), 1u, isOdd);
  let even = swap(Pair(near01.first, near23.first), 2u, isUpper);
  let odd = swap(Pair(near01.second, near23.second), 2u, isUpper);
  let own = select(largest.xy, largest.zw, isUpper);
  var inputs: PackedInputs;
  inputs.word0 = even.first;
  inputs.word1 = odd.first;
  inputs.word2 = even.second;
  inputs.word3 = odd.second;
  inputs.step = select(own.x, own.y, isOdd) / 32767.0;
  inputs.sum = inputs.step * f32((sumOfOctet(inputs.word0) + sumOfOctet(inputs.word1))
    + (sumOfOctet(inputs.word2) + sumOfOctet(inputs.word3)));
  inputs.squares = (octet0.squares + octet1.squares) + (octet2.squares + octet3.squares);
  return inputs;
}

// Σ q · high and Σ q · low over a word of weights.
fn dotOctet(word: u32, v: PackedOctet) -> vec2i {
  let even = word & 0x0f0f0f0fu;
  let odd = (word >> 4u) & 0x0f0f0f0fu;
  return vec2i(
    dot4I8Packed(even, v.x) + dot4I8Packed(odd, v.y),
    i32(dot4U8Packed(even, v.z) + dot4U8Packed(odd, v.w)),
  );
}

fn dotPacked(weight: PackedBlock, inputs: PackedInputs) -> f32 {
  let sums = (dotOctet(weight.words.x, inputs.word0) + dotOctet(weight.words.y, inputs.word1))
    + (dotOctet(weight.words.z, inputs.word2) + dotOctet(weight.words.w, inputs.word3));
  return weight.scale * (inputs.step * f32(256 * sums.x + sums.y)) + weight.bias * inputs.sum;
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
    let inputs = packInputs(firstBlock, local);
    squares += inputs.squares;
    let block = min(firstBlock + local, dims.blocks - 1u);
    let isInside = firstBlock + local < dims.blocks;
    for (var team = 0u; team < teams; team++) {
      let rows = loadRows(rowsOf(firstTeam + team), block);
      let sums = vec4f(
        dotPacked(rows.w0, inputs), dotPacked(rows.w1, inputs), dotPacked(rows.w2, inputs), dotPacked(rows.w3, inputs),
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
  for (var first = 0u; first < teams; first += lanes / together) {
    let team = first + subgroup;
    var sums = vec4f(0.0);
    for (var i = lane; i < lanes; i += together) {
      sums += partial[min(team, teams - 1u) * lanes + i];
    }
    for (var mask = 1u; mask < together; mask *= 2u) {
      sums += subgroupShuffleXor(sums, mask);
    }
    if (lane == 0u && team < teams) {
      finish(firstTeam + team, sums, squares);
    }
  }
}
