// Scores that mean nothing: what a selection by chance ranks tokens by; larger is better.
// PCG-RXS-M-XS of 32 bits, see Jarzynski and Olano 2020, "Hash Functions for GPU Rendering".
fn pcg(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

// seed: of one list of one layer.
fn randomScore(seed: u32, position: u32, token: u32) -> u32 {
  return pcg(token + pcg(position + pcg(seed)));
}
