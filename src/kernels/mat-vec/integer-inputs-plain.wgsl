// Inputs rounded by every workgroup for itself, where nobody has done so before. So that neighbouring lanes read
// neighbouring memory, four lanes read and pack an octet of each of their four blocks, and then exchange them: a
// transposition of four by four.
struct LoadedOctet {
  packed: PackedOctet,
  squares: f32, // before the gain
}

fn loadOctet(block: u32, word: u32) -> LoadedOctet {
  let at = 8u * min(block, dims.blocks - 1u) + 2u * word;
  var a = x[at];
  var b = x[at + 1u];
  var squares = 0.0;
  if (hasNorm) {
    if (block < dims.blocks) {
      squares = dot(a, a) + dot(b, b);
    }
    a *= gain[at];
    b *= gain[at + 1u];
  }
  return LoadedOctet(packOctet(a, b), squares);
}

// Of two octets, the one that belongs to the other lane goes there, and what comes back takes its place.
struct Pair {
  first: vec4u,
  second: vec4u,
}

fn swap(pair: Pair, mask: u32, isUpper: bool) -> Pair {
  let got = subgroupShuffleXor(select(pair.second, pair.first, isUpper), mask);
  return Pair(select(pair.first, got, isUpper), select(got, pair.second, isUpper));
}

// The same for one number per octet.
fn transposed(numbers: vec4f, isOdd: bool, isUpper: bool) -> vec4f {
  let near = subgroupShuffleXor(select(numbers.yw, numbers.xz, isOdd), 1u);
  let pairs = select(vec4f(numbers.x, near.x, numbers.z, near.y), vec4f(near.x, numbers.y, near.y, numbers.w), isOdd);
  let far = subgroupShuffleXor(select(pairs.zw, pairs.xy, isUpper), 2u);
  return select(vec4f(pairs.xy, far), vec4f(far, pairs.zw), isUpper);
}

fn loadInputs(firstBlock: u32, local: u32) -> BlockInputs {
  let word = local & 3u;
  let block = firstBlock + (local & ~3u);
  let octet0 = loadOctet(block, word);
  let octet1 = loadOctet(block + 1u, word);
  let octet2 = loadOctet(block + 2u, word);
  let octet3 = loadOctet(block + 3u, word);
  let isOdd = (local & 1u) != 0u;
  let isUpper = (local & 2u) != 0u;
  let near01 = swap(Pair(octet0.packed.bytes, octet1.packed.bytes), 1u, isOdd);
  let near23 = swap(Pair(octet2.packed.bytes, octet3.packed.bytes), 1u, isOdd);
  let even = swap(Pair(near01.first, near23.first), 2u, isUpper);
  let odd = swap(Pair(near01.second, near23.second), 2u, isUpper);
  let steps = vec4f(octet0.packed.step, octet1.packed.step, octet2.packed.step, octet3.packed.step);
  let sums = vec4f(octet0.packed.sum, octet1.packed.sum, octet2.packed.sum, octet3.packed.sum);
  let squares = (octet0.squares + octet1.squares) + (octet2.squares + octet3.squares);
  return BlockInputs(
    even.first, odd.first, even.second, odd.second,
    transposed(steps, isOdd, isUpper), dot(transposed(sums, isOdd, isUpper), vec4f(1.0)), squares,
  );
}
