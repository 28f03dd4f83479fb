// One map by a small workgroup, whole rows to an invocation and one barrier a stage: for adapters that run on the CPU.
// `weightAt` and `biasAt` come from the kernel.
// Two sets of 256 activations, read and written in turns; the input lies in the first, zeros up to a multiple of 8.
const threads = 16u;
const setQuads = 64u;
var<workgroup> activations: array<vec4f, 128>;

// Quad where the last stage's outputs begin; they are there for every invocation.
fn runMap(kind: u32, heads: u32, head: u32, thread: u32) -> u32 {
  var source = 0u;
  var weightBegin = 0u;
  var biasBegin = 0u;
  workgroupBarrier();
  for (var stage = 0u; stage < maxStages; stage++) {
    let outputs = widthAt(kind, stage + 1u);
    if (outputs == 0u) { break; }
    let isLast = widthAt(kind, stage + 2u) == 0u;
    let octets = (widthAt(kind, stage) + 7u) / 8u;
    let to = setQuads - source;
    for (var quad = thread; quad < (outputs + 7u) / 8u * 2u; quad += threads) {
      let row = 4u * quad + vec4u(0u, 1u, 2u, 3u);
      let read = head * outputs + min(row, vec4u(outputs - 1u));
      let at = weightBegin + read * octets;
      let bias = biasBegin + read;
      var sum = vec4f(0.0);
      for (var first = 0u; first < 4u; first += 2u) {
        sum += partsOf(kind, at, octets, first, source) + partsOf(kind, at, octets, first + 1u, source);
      }
      sum += vec4f(biasAt(kind, bias.x), biasAt(kind, bias.y), biasAt(kind, bias.z), biasAt(kind, bias.w));
      if (!isLast) { sum = silu(sum); }
      activations[to + quad] = select(vec4f(0.0), sum, row < vec4u(outputs));
    }
    weightBegin += heads * outputs * octets;
    biasBegin += heads * outputs;
    source = to;
    workgroupBarrier();
  }
  return source;
}

// Four rows' s[lane] of signature-map.wgsl.
fn partsOf(kind: u32, at: vec4u, octets: u32, lane: u32, source: u32) -> vec4f {
  var parts = vec4f(0.0);
  for (var own = lane; own < mapLanes; own += 4u) {
    var part = vec4f(0.0);
    for (var octet = own; octet < octets; octet += mapLanes) {
      part = addOctet(
        part,
        weightAt(kind, at.x + octet), weightAt(kind, at.y + octet),
        weightAt(kind, at.z + octet), weightAt(kind, at.w + octet),
        activations[source + 2u * octet], activations[source + 2u * octet + 1u],
      );
    }
    parts += part;
  }
  return parts;
}
