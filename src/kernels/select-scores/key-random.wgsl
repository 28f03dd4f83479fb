// A number that looks random, from the seed, the position of the step, the list and the token: rounds of the 32-bit
// finaliser of MurmurHash3.
struct Dims {
  listCapacity: u32,
  seed: u32,
}

fn mixed(value: u32) -> u32 {
  var bits = (value ^ (value >> 16u)) * 0x85ebca6bu;
  bits = (bits ^ (bits >> 13u)) * 0xc2b2ae35u;
  return bits ^ (bits >> 16u);
}

fn keyAt(list: u32, token: u32) -> u32 {
  let ofStep = mixed(mixed(dims.seed + 0x9e3779b9u) ^ step.position);
  return mixed(mixed(ofStep + list) + token);
}
