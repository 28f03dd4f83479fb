// Signatures of cached keys in bulk. A workgroup takes one head and 4096 / width tokens; an invocation one row of every
// stage for 16 tokens, so that a weight read serves 16 products. Activations: four tokens to a vec4f,
// [width, tokens / 4], overwritten stage by stage.
override width: u32; // widest input or output, rounded up to a power of two from 32 to 256
const threads = 256u;
override tokenQuads = 1024u / width;

var<workgroup> activations: array<vec4f, 1024>;

@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let head = group.z;
  let firstRow = (group.y * groups.x + group.x) * 4u * tokenQuads;
  let end = min(step.position + step.rows, dims.capacity);
  let first = step.position + firstRow;
  if (first >= end) { return; }

  let pairs = (dims.headDim + 7u) / 8u * 4u;
  for (var i = thread; i < pairs * tokenQuads; i += threads) {
    let pair = i % pairs;
    let token = min(first + 4u * (i / pairs) + vec4u(0u, 1u, 2u, 3u), vec4u(end - 1u));
    let a = keyPair(head, token.x, pair);
    let b = keyPair(head, token.y, pair);
    let c = keyPair(head, token.z, pair);
    let d = keyPair(head, token.w, pair);
    activations[2u * pair * tokenQuads + i / pairs] = vec4f(a.x, b.x, c.x, d.x);
    activations[(2u * pair + 1u) * tokenQuads + i / pairs] = vec4f(a.y, b.y, c.y, d.y);
  }
  workgroupBarrier();

  let row = thread % width;
  let column = thread / width * 4u;
  var weightBegin = 0u;
  var biasBegin = 0u;
  for (var stage = 0u; stage < maxStages; stage++) {
    let outputs = widthAt(ofKey, stage + 1u);
    if (outputs == 0u) { break; }
    let isLast = widthAt(ofKey, stage + 2u) == 0u;
    let octets = (widthAt(ofKey, stage) + 7u) / 8u;
    let read = head * outputs + min(row, outputs - 1u);
    var sums = mat4x4f();
    if (row < outputs) {
      sums = rowSums(weightBegin + read * octets, octets, column, keyBiases[biasBegin + read]);
    }
    workgroupBarrier();
    for (var quad = 0u; quad < 4u; quad++) {
      let sum = sums[quad];
      activations[row * tokenQuads + column + quad] = select(silu(sum), sum, isLast);
    }
    workgroupBarrier();
    weightBegin += dims.signatureHeads * outputs * octets;
    biasBegin += dims.signatureHeads * outputs;
  }

  let words = dims.bits / 32u;
  let token = first + thread / words;
  if (thread < 4u * tokenQuads * words && token < end) {
    let word = thread % words;
    let slot = thread / words;
    var signs = 0u;
    for (var bit = 0u; bit < 32u; bit++) {
      let value = activations[(32u * word + bit) * tokenQuads + slot / 4u][slot % 4u];
      signs |= select(0u, 1u << bit, value > 0.0);
    }
    signatures[(head * dims.capacity + token) * words + word] = signs;
  }
}

// One row for 16 tokens, four to a column.
fn rowSums(at: u32, octets: u32, column: u32, bias: f32) -> mat4x4f {
  var sums = mat4x4f();
  for (var first = 0u; first < 4u; first += 2u) {
    sums += partsOf(at, octets, column, first) + partsOf(at, octets, column, first + 1u);
  }
  return sums + mat4x4f(vec4f(bias), vec4f(bias), vec4f(bias), vec4f(bias));
}

// The row's s[lane] of signature-map.wgsl.
fn partsOf(at: u32, octets: u32, column: u32, lane: u32) -> mat4x4f {
  var parts = mat4x4f();
  for (var own = lane; own < mapLanes; own += 4u) {
    var part = mat4x4f();
    for (var octet = own; octet < octets; octet += mapLanes) {
      let w = weightAt(ofKey, at + octet);
      let input = 8u * octet * tokenQuads + column;
      part = addPair(part, unpack2x16float(w.x), input);
      part = addPair(part, unpack2x16float(w.y), input + 2u * tokenQuads);
      part = addPair(part, unpack2x16float(w.z), input + 4u * tokenQuads);
      part = addPair(part, unpack2x16float(w.w), input + 6u * tokenQuads);
    }
    parts += part;
  }
  return parts;
}

fn addPair(part: mat4x4f, pair: vec2f, input: u32) -> mat4x4f {
  let next = input + tokenQuads;
  let a = vec4f(pair.x);
  let b = vec4f(pair.y);
  return mat4x4f(
    fma(b, activations[next], fma(a, activations[input], part[0])),
    fma(b, activations[next + 1u], fma(a, activations[input + 1u], part[1])),
    fma(b, activations[next + 2u], fma(a, activations[input + 2u], part[2])),
    fma(b, activations[next + 3u], fma(a, activations[input + 3u], part[3])),
  );
}
