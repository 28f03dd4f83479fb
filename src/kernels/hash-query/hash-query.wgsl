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
      for (var half = 0u; half < 2u; half++) {
        let slot = half * (tileQuads / 2u) + team;
        let quad = min(tile + slot, quads - 1u);
        let map = quad / mapQuads;
        let row = min(4u * (quad % mapQuads) + vec4u(0u, 1u, 2u, 3u), vec4u(outputs - 1u));
        let at = weightBegin + ((firstHead + map) * outputs + row) * octets;
        parts[slot * mapLanes + lane] = rowParts(kind, at, octets, lane, source + map * width / 4u);
      }
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

// A lane's share of four rows.
fn rowParts(kind: u32, at: vec4u, octets: u32, lane: u32, input: u32) -> vec4f {
  var part = vec4f(0.0);
  for (var octet = lane; octet < octets; octet += mapLanes) {
    part = addOctet(
      part,
      weightAt(kind, at.x + octet), weightAt(kind, at.y + octet),
      weightAt(kind, at.z + octet), weightAt(kind, at.w + octet),
      activations[input + 2u * octet], activations[input + 2u * octet + 1u],
    );
  }
  return part;
}
