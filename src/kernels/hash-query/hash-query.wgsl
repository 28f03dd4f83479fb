// The signature maps of the current token in one dispatch, a workgroup per map: of every query head, whose values are
// left for the selection to add up or to take the signs of, and of the newest key, whose signs are its signature.
// Eight lanes share four rows of a tile of 128; lanes meet in workgroup memory, because the stages' barriers are there
// anyway. What waits here is memory: the weights of three tiles, of one stage or several, are in flight. Their variables
// take turns by name, because copying one would wait for it.
override width: u32; // widest input or output, a multiple of 8, at most 256
const threads = 256u;
const tileQuads = threads / mapLanes;

@group(0) @binding(10) var<storage, read_write> mapped: array<vec4f>;

var<workgroup> activations: array<vec4f, width / 2u>; // two sets, read and written in turns
var<workgroup> parts: array<vec4f, threads>;

// A tile of a stage, and where the stage's numbers begin; without outputs, there is no such stage.
struct Tile {
  first: u32, // quad of rows
  stage: u32,
  outputs: u32,
  octets: u32, // of a row
  weights: u32,
  biases: u32,
}

fn quadsOf(tile: Tile) -> u32 {
  return (tile.outputs + 7u) / 8u * 2u;
}

fn tileAfter(tile: Tile, map: Map) -> Tile {
  if (tile.outputs == 0u) {
    return tile;
  }
  if (tile.first + tileQuads < quadsOf(tile)) {
    return Tile(tile.first + tileQuads, tile.stage, tile.outputs, tile.octets, tile.weights, tile.biases);
  }
  return Tile(
    0u,
    tile.stage + 1u,
    widthAt(map.kind, tile.stage + 2u),
    (tile.outputs + 7u) / 8u,
    tile.weights + map.heads * tile.outputs * tile.octets,
    tile.biases + map.heads * tile.outputs,
  );
}

struct Map {
  kind: u32,
  heads: u32, // maps of the kind
  head: u32,
}

// A lane's first two octets of four rows, and four biases.
struct Octets {
  a0: vec4u, a1: vec4u, a2: vec4u, a3: vec4u,
  b0: vec4u, b1: vec4u, b2: vec4u, b3: vec4u,
  bias: vec4f,
}

// Where the four rows of an invocation's quad begin; a row beyond the outputs repeats the last one.
fn rowsAt(tile: Tile, map: Map, thread: u32) -> vec4u {
  let row = min(4u * (tile.first + thread / mapLanes) + vec4u(0u, 1u, 2u, 3u), vec4u(tile.outputs - 1u));
  return tile.weights + (map.head * tile.outputs + row) * tile.octets;
}

fn readOctets(tile: Tile, map: Map, thread: u32) -> Octets {
  if (tile.outputs == 0u) {
    return Octets();
  }
  let kind = map.kind;
  let row = min(4u * (tile.first + thread % tileQuads) + vec4u(0u, 1u, 2u, 3u), vec4u(tile.outputs - 1u));
  let bias = tile.biases + map.head * tile.outputs + row;
  let rows = rowsAt(tile, map, thread);
  let a = rows + min(thread % mapLanes, tile.octets - 1u);
  let b = rows + min(thread % mapLanes + mapLanes, tile.octets - 1u);
  return Octets(
    weightAt(kind, a.x), weightAt(kind, a.y), weightAt(kind, a.z), weightAt(kind, a.w),
    weightAt(kind, b.x), weightAt(kind, b.y), weightAt(kind, b.z), weightAt(kind, b.w),
    vec4f(biasAt(kind, bias.x), biasAt(kind, bias.y), biasAt(kind, bias.z), biasAt(kind, bias.w)),
  );
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let isKey = workgroup.x >= dims.qHeads;
  let map = Map(
    select(ofQuery, ofKey, isKey),
    select(dims.qHeads, dims.signatureHeads, isKey),
    select(workgroup.x, workgroup.x - dims.qHeads, isKey),
  );
  // A write past the capacity would land in the next head's first tokens.
  if (isKey && step.position >= dims.capacity) { return; }

  var tileA = Tile(0u, 0u, widthAt(map.kind, 1u), (widthAt(map.kind, 0u) + 7u) / 8u, 0u, 0u);
  var tileB = tileAfter(tileA, map);
  var tileC = tileAfter(tileB, map);
  var a = readOctets(tileA, map, thread);
  var b = readOctets(tileB, map, thread);
  var c = readOctets(tileC, map, thread);
  for (var quad = thread; quad < tileA.octets * 2u; quad += threads) {
    activations[quad] = inputQuad(map.kind, map.head, quad);
  }
  workgroupBarrier();
  while (tileA.outputs > 0u) {
    runTile(tileA, a, map, thread);
    tileA = tileAfter(tileC, map);
    a = readOctets(tileA, map, thread);
    if (tileB.outputs == 0u) { break; }
    runTile(tileB, b, map, thread);
    tileB = tileAfter(tileA, map);
    b = readOctets(tileB, map, thread);
    if (tileC.outputs == 0u) { break; }
    runTile(tileC, c, map, thread);
    tileC = tileAfter(tileB, map);
    c = readOctets(tileC, map, thread);
  }

  let source = inputOf(tileA.stage);
  if (!isKey) {
    if (thread < dims.bits / 4u) {
      mapped[map.head * (dims.bits / 4u) + thread] = activations[source + thread];
    }
  } else if (thread < dims.bits / 32u) {
    writeSignature(map.head, thread, source);
  }
}

// Where a stage finds its input.
fn inputOf(stage: u32) -> u32 {
  return stage % 2u * (width / 4u);
}

fn runTile(tile: Tile, octets: Octets, map: Map, thread: u32) {
  let kind = map.kind;
  let lane = thread % mapLanes;
  let source = inputOf(tile.stage);
  let quad = tile.first + thread % tileQuads;
  var part = vec4f(0.0);
  if (lane < tile.octets) {
    let x = source + 2u * lane;
    part = addOctet(part, octets.a0, octets.a1, octets.a2, octets.a3, activations[x], activations[x + 1u]);
  }
  if (lane + mapLanes < tile.octets) {
    let x = source + 2u * (lane + mapLanes);
    part = addOctet(part, octets.b0, octets.b1, octets.b2, octets.b3, activations[x], activations[x + 1u]);
  }
  let rows = rowsAt(tile, map, thread);
  for (var octet = lane + 2u * mapLanes; octet < tile.octets; octet += mapLanes) {
    let x = source + 2u * octet;
    part = addOctet(
      part,
      weightAt(kind, rows.x + octet), weightAt(kind, rows.y + octet),
      weightAt(kind, rows.z + octet), weightAt(kind, rows.w + octet),
      activations[x], activations[x + 1u],
    );
  }
  parts[thread] = part;
  workgroupBarrier();
  if (thread < tileQuads && quad < quadsOf(tile)) {
    let at = thread * mapLanes;
    let first = (parts[at] + parts[at + 4u]) + (parts[at + 1u] + parts[at + 5u]);
    let last = (parts[at + 2u] + parts[at + 6u]) + (parts[at + 3u] + parts[at + 7u]);
    var sum = (first + last) + octets.bias;
    if (widthAt(kind, tile.stage + 2u) != 0u) { sum = silu(sum); }
    let isRow = 4u * quad + vec4u(0u, 1u, 2u, 3u) < vec4u(tile.outputs);
    activations[inputOf(tile.stage + 1u) + quad] = select(vec4f(0.0), sum, isRow);
  }
  workgroupBarrier();
}

fn writeSignature(head: u32, word: u32, source: u32) {
  var signs = 0u;
  for (var quad = 0u; quad < 8u; quad++) {
    signs |= signBits(activations[source + 8u * word + quad]) << (4u * quad);
  }
  signatures[(head * dims.capacity + step.position) * (dims.bits / 32u) + word] = signs;
}
