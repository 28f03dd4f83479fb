// The query maps beside the key maps: what all variants of hash-query share. After the query heads come the signature heads.
// query: f32 [qHeads, headDim]; mapped: f32 [qHeads, bits], which each variant declares as it writes it.
struct Dims {
  signatureHeads: u32,
  signaturesPerKey: u32, // signature heads per KV head
  headDim: u32,
  bits: u32,
  capacity: u32,
  qHeads: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(7) var<storage, read> query: array<f32>;
@group(0) @binding(8) var<storage, read> queryWeights: array<vec4u>;
@group(0) @binding(9) var<storage, read> queryBiases: array<f32>;

fn weightAt(kind: u32, at: u32) -> vec4u {
  if (kind == ofKey) { return keyWeights[at]; }
  return queryWeights[at];
}

fn biasAt(kind: u32, at: u32) -> f32 {
  if (kind == ofKey) { return keyBiases[at]; }
  return queryBiases[at];
}

// Elements 4 · quad … of a query head or of the newest key of a signature head; zeros beyond headDim.
fn inputQuad(kind: u32, head: u32, quad: u32) -> vec4f {
  return vec4f(inputPair(kind, head, 2u * quad), inputPair(kind, head, 2u * quad + 1u));
}

fn inputPair(kind: u32, head: u32, pair: u32) -> vec2f {
  if (kind == ofKey) { return keyPair(head, step.position, pair); }
  if (2u * pair >= dims.headDim) { return vec2f(0.0); }
  let at = head * dims.headDim + 2u * pair;
  return vec2f(query[at], query[at + 1u]);
}
