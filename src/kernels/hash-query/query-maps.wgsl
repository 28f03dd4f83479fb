// The maps' bindings: what both variants of hash-query share. After the query heads come the signature heads.
// query: f32 [qHeads, headDim]; keyCache: f16 [kvHeads, capacity, headDim]; mapped: f32 [qHeads, bits], four to a vec4f;
// signatures: u32 [signatureHeads, capacity, words].
struct Dims {
  qHeads: u32,
  signatureHeads: u32,
  signaturesPerKey: u32, // signature heads per KV head
  headDim: u32,
  bits: u32,
  capacity: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(3) var<storage, read> query: array<f32>;
@group(0) @binding(4) var<storage, read> keyCache: array<u32>;
@group(0) @binding(5) var<storage, read> queryWeights: array<vec4u>;
@group(0) @binding(6) var<storage, read> queryBiases: array<f32>;
@group(0) @binding(7) var<storage, read> keyWeights: array<vec4u>;
@group(0) @binding(8) var<storage, read> keyBiases: array<f32>;
@group(0) @binding(9) var<storage, read_write> mapped: array<vec4f>;
@group(0) @binding(10) var<storage, read_write> signatures: array<u32>;

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
  return vec4f(
    inputAt(kind, head, 4u * quad), inputAt(kind, head, 4u * quad + 1u),
    inputAt(kind, head, 4u * quad + 2u), inputAt(kind, head, 4u * quad + 3u),
  );
}

fn inputAt(kind: u32, head: u32, d: u32) -> f32 {
  if (d >= dims.headDim) { return 0.0; }
  if (kind == ofQuery) { return query[head * dims.headDim + d]; }
  let row = head / dims.signaturesPerKey * dims.capacity + step.position;
  return unpack2x16float(keyCache[row * (dims.headDim / 2u) + d / 2u])[d % 2u];
}
