// Scores that mean nothing: what a selection by chance ranks tokens by; larger is better.
// Rounds of the 32-bit finaliser of MurmurHash3 over seed, position of the query, list and token.
fn mixed(value: u32) -> u32 {
  var bits = (value ^ (value >> 16u)) * 0x85ebca6bu;
  bits = (bits ^ (bits >> 13u)) * 0xc2b2ae35u;
  return bits ^ (bits >> 16u);
}

fn randomScore(seed: u32, position: u32, list: u32, token: u32) -> u32 {
  let ofStep = mixed(mixed(seed + 0x9e3779b9u) ^ position);
  return mixed(mixed(ofStep + list) + token);
}
