// The key maps: what both variants of hash-keys share. Tokens step.position … + step.rows − 1 are hashed.
struct Dims {
  signatureHeads: u32,
  signaturesPerKey: u32, // signature heads per KV head
  headDim: u32,
  bits: u32,
  capacity: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

fn weightAt(kind: u32, at: u32) -> vec4u {
  return keyWeights[at];
}

fn biasAt(kind: u32, at: u32) -> f32 {
  return keyBiases[at];
}
