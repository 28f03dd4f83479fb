// The key maps' bindings: what both variants of hash-keys share. Tokens step.position … + step.rows − 1 are hashed.
// keyCache: f16 [kvHeads, capacity, headDim] as words; signatures: [signatureHeads, capacity, words].
struct Dims {
  signatureHeads: u32,
  signaturesPerKey: u32, // signature heads per KV head
  headDim: u32,
  bits: u32,
  capacity: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(3) var<storage, read> keyCache: array<u32>;
@group(0) @binding(4) var<storage, read> keyWeights: array<vec4u>;
@group(0) @binding(5) var<storage, read> keyBiases: array<f32>;
@group(0) @binding(6) var<storage, read_write> signatures: array<u32>;

fn weightAt(kind: u32, at: u32) -> vec4u {
  return keyWeights[at];
}

fn biasAt(kind: u32, at: u32) -> f32 {
  return keyBiases[at];
}

// Elements 2 · pair and the next of a cached key; zeros beyond headDim.
fn keyPair(head: u32, token: u32, pair: u32) -> vec2f {
  if (2u * pair >= dims.headDim) { return vec2f(0.0); }
  let row = head / dims.signaturesPerKey * dims.capacity + token;
  return unpack2x16float(keyCache[row * (dims.headDim / 2u) + pair]);
}
