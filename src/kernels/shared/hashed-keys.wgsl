// What kernels that hash cached keys bind alike. The kernel declares dims: signatureHeads, signaturesPerKey, headDim, bits
// and capacity.
// keyCache: f16 [kvHeads, capacity, headDim], two to a word; signatures: u32 [signatureHeads, capacity, words].
@group(0) @binding(3) var<storage, read> keyCache: array<u32>;
@group(0) @binding(4) var<storage, read> keyWeights: array<vec4u>;
@group(0) @binding(5) var<storage, read> keyBiases: array<f32>;
@group(0) @binding(6) var<storage, read_write> signatures: array<u32>;

// Elements 2 · pair and the next of the key that a signature head hashes; zeros beyond headDim.
fn keyPair(head: u32, token: u32, pair: u32) -> vec2f {
  if (2u * pair >= dims.headDim) { return vec2f(0.0); }
  let row = head / dims.signaturesPerKey * dims.capacity + token;
  return unpack2x16float(keyCache[row * (dims.headDim / 2u) + pair]);
}
