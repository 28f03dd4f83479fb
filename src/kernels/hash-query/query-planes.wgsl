// The maps' bindings and the query's levels: what both variants of hash-query share.
// A unit is one list's query: `summed` query heads whose maps are added. After the units come the key heads.
struct Dims {
  units: u32,
  summed: u32,
  queryBits: u32, // 0: planes are signs
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
@group(0) @binding(9) var<storage, read_write> planes: array<u32>;
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

// u = clamp(floor(s / scale) + 2^(b−1), 0, 2^b − 1),  the same as (w + 2^b − 1) / 2 with
// w = clamp(2 · floor(s / scale) + 1, ±(2^b − 1));  scale = max|s| / (2^(b−1) − ½), 1 if all are zero.
fn scaleOf(largest: f32) -> f32 {
  let steps = f32(1u << max(dims.queryBits, 1u)) / 2.0 - 0.5;
  return select(1.0, largest / steps, largest > 0.0);
}

fn levelsOf(values: vec4f, scale: f32) -> vec4u {
  let half = 1 << (dims.queryBits - 1u);
  let levels = vec4i(floor(values / scale)) + half;
  return vec4u(clamp(levels, vec4i(0), vec4i(2 * half - 1)));
}

// What a unit's maps or a key's map come to, [bits].
var<workgroup> sums: array<vec4f, 16>;

// Every word of a unit's planes from its sums, one to an invocation.
fn writePlanes(unit: u32, thread: u32) {
  let words = dims.bits / 32u;
  let planeCount = max(dims.queryBits, 1u);
  if (thread >= planeCount * words) { return; }
  var largest = 0.0;
  for (var quad = 0u; quad < dims.bits / 4u; quad++) {
    let sizes = abs(sums[quad]);
    largest = max(largest, max(max(sizes.x, sizes.y), max(sizes.z, sizes.w)));
  }
  let scale = scaleOf(largest);
  let plane = thread / words;
  var bits = 0u;
  for (var quad = 0u; quad < 8u; quad++) {
    bits |= planeBits(sums[thread % words * 8u + quad], scale, plane) << (4u * quad);
  }
  planes[unit * planeCount * words + thread] = bits;
}

// One bit of four elements, the first lowest: of their levels or, without levels, whether they are positive.
fn planeBits(values: vec4f, scale: f32, plane: u32) -> u32 {
  if (dims.queryBits == 0u) { return signBits(values); }
  return bitsOf(((levelsOf(values, scale) >> vec4u(plane)) & vec4u(1u)) == vec4u(1u));
}

// The newest key's signature from its sums.
fn writeSignature(head: u32, thread: u32) {
  let words = dims.bits / 32u;
  if (thread >= words) { return; }
  var signs = 0u;
  for (var quad = 0u; quad < 8u; quad++) {
    signs |= signBits(sums[8u * thread + quad]) << (4u * quad);
  }
  signatures[(head * dims.capacity + step.position) * words + thread] = signs;
}
