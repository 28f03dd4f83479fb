// Query planes of the current token and the signature of its key, in one dispatch: a workgroup per unit (the maps of
// its query heads, added and quantised) or per key head. `together` maps run at a time. Eight lanes share a row, an
// invocation takes two quads of rows of a tile; lanes meet in workgroup memory, because the stages' barriers are there
// anyway. query: f32 [qHeads, headDim]; keyCache: f16 [kvHeads, capacity, headDim];
// planes: [units, planes, words]; signatures: [signatureHeads, capacity, words].
override width: u32;    // widest input or output, a multiple of 8, at most 256
override together: u32; // width · together ≤ 512
const threads = 256u;
const tileQuads = 2u * threads / mapLanes;

var<workgroup> activations: array<vec4f, 2u * together * width / 4u>;
var<workgroup> parts: array<vec4f, tileQuads * mapLanes>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let isKey = workgroup.x >= dims.units;
  let kind = select(ofQuery, ofKey, isKey);
  let heads = select(dims.qHeads, dims.signatureHeads, isKey);
  let maps = select(dims.summed, 1u, isKey);
  let firstHead = select(workgroup.x * dims.summed, workgroup.x - dims.units, isKey);
  // A write past the capacity would land in the next head's first tokens.
  if (isKey && step.position >= dims.capacity) { return; }

  for (var first = 0u; first < maps; first += together) {
    let count = min(together, maps - first);
    let inputQuads = (dims.headDim + 7u) / 8u * 2u;
    for (var i = thread; i < count * inputQuads; i += threads) {
      let map = i / inputQuads;
      activations[map * width / 4u + i % inputQuads] = inputQuad(kind, firstHead + first + map, i % inputQuads);
    }
    workgroupBarrier();
    let begin = runMaps(kind, heads, firstHead + first, count, thread);
    if (thread < dims.bits / 4u) {
      var sum = select(sums[thread], vec4f(0.0), first == 0u);
      for (var map = 0u; map < count; map++) {
        sum += activations[begin + map * width / 4u + thread];
      }
      sums[thread] = sum;
    }
    workgroupBarrier();
  }

  if (isKey) {
    writeSignature(firstHead, thread);
  } else {
    writePlanes(workgroup.x, thread);
  }
}

// All stages of `count` maps; returns the quad where the outputs of the first begin.
fn runMaps(kind: u32, heads: u32, firstHead: u32, count: u32, thread: u32) -> u32 {
  var source = 0u;
  var weightBegin = 0u;
  var biasBegin = 0u;
  for (var stage = 0u; stage < maxStages; stage++) {
    let outputs = widthAt(kind, stage + 1u);
    if (outputs == 0u) { break; }
    let isLast = widthAt(kind, stage + 2u) == 0u;
    let octets = (widthAt(kind, stage) + 7u) / 8u;
    let to = together * width / 4u - source;
    let mapQuads = (outputs + 7u) / 8u * 2u;
    let quads = count * mapQuads;
    for (var tile = 0u; tile < quads; tile += tileQuads) {
      let team = thread / mapLanes;
      let lane = thread % mapLanes;
      let slot = vec2u(team, team + tileQuads / 2u);
      let quad = min(tile + slot, vec2u(quads - 1u));
      let map = quad / mapQuads;
      let row = 4u * (quad % mapQuads);
      let head = weightBegin + (firstHead + map) * outputs * octets;
      let input = source + map * width / 4u;
      var part0 = vec4f(0.0);
      var part1 = vec4f(0.0);
      let at0 = head.x + min(row.x + vec4u(0u, 1u, 2u, 3u), vec4u(outputs - 1u)) * octets;
      let at1 = head.y + min(row.y + vec4u(0u, 1u, 2u, 3u), vec4u(outputs - 1u)) * octets;
      for (var octet = lane; octet < octets; octet += mapLanes) {
        // All reads first: eight are in flight.
        let a0 = weightAt(kind, at0.x + octet);
        let a1 = weightAt(kind, at0.y + octet);
        let a2 = weightAt(kind, at0.z + octet);
        let a3 = weightAt(kind, at0.w + octet);
        let b0 = weightAt(kind, at1.x + octet);
        let b1 = weightAt(kind, at1.y + octet);
        let b2 = weightAt(kind, at1.z + octet);
        let b3 = weightAt(kind, at1.w + octet);
        let x = input + 2u * octet;
        part0 = addOctet(part0, a0, a1, a2, a3, activations[x.x], activations[x.x + 1u]);
        part1 = addOctet(part1, b0, b1, b2, b3, activations[x.y], activations[x.y + 1u]);
      }
      parts[slot.x * mapLanes + lane] = part0;
      parts[slot.y * mapLanes + lane] = part1;
      workgroupBarrier();
      if (thread < tileQuads && tile + thread < quads) {
        let map = (tile + thread) / mapQuads;
        let quad = (tile + thread) % mapQuads;
        let row = 4u * quad + vec4u(0u, 1u, 2u, 3u);
        let bias = biasBegin + (firstHead + map) * outputs + min(row, vec4u(outputs - 1u));
        var sum = vec4f(
          biasAt(kind, bias.x), biasAt(kind, bias.y), biasAt(kind, bias.z), biasAt(kind, bias.w),
        );
        for (var other = 0u; other < mapLanes; other++) {
          sum += parts[thread * mapLanes + other];
        }
        if (!isLast) { sum = silu(sum); }
        activations[to + map * width / 4u + quad] = select(vec4f(0.0), sum, row < vec4u(outputs));
      }
      workgroupBarrier();
    }
    weightBegin += heads * outputs * octets;
    biasBegin += heads * outputs;
    source = to;
  }
  return source;
}
