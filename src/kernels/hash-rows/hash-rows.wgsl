// Query planes of many rows: a small workgroup per (row, list) runs the maps of the list's query heads one after
// another and adds them. Bit for bit what hash-query makes of each row alone.
// query: f32 [rows, qHeads, headDim]; planes: u32 [rows, lists, planes, words].
struct Dims {
  lists: u32,
  summed: u32,    // query heads whose maps are added before they are quantised
  queryBits: u32, // planes of a quantised sum; 0: a plane of signs for each of the list's heads
  listHeads: u32, // query heads of a list
  qHeads: u32,
  headDim: u32,
  bits: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(3) var<storage, read> query: array<f32>;
@group(0) @binding(4) var<storage, read> queryWeights: array<vec4u>;
@group(0) @binding(5) var<storage, read> queryBiases: array<f32>;
@group(0) @binding(6) var<storage, read_write> planes: array<u32>;

fn weightAt(kind: u32, at: u32) -> vec4u { return queryWeights[at]; }

fn biasAt(kind: u32, at: u32) -> f32 { return queryBiases[at]; }

fn inputAt(row: u32, head: u32, d: u32) -> f32 {
  return select(0.0, query[(row * dims.qHeads + head) * dims.headDim + min(d, dims.headDim - 1u)], d < dims.headDim);
}

// What the maps come to, [bits].
var<workgroup> sums: array<vec4f, 16>;

// Which elements of a quad have bit `plane` set in their level.
fn levelBits(values: vec4f, scale: f32, plane: u32) -> u32 {
  let levels = levelsOf(values, scale, dims.queryBits);
  return bitsOf(((levels >> vec4u(plane)) & vec4u(1u)) == vec4u(1u));
}

// Writes the words of the sums' planes from plane `first` on, one to an invocation.
fn writePlanes(begin: u32, first: u32, thread: u32) {
  let words = dims.bits / 32u;
  if (thread >= max(dims.queryBits, 1u) * words) { return; }
  var largest = 0.0;
  for (var quad = 0u; quad < dims.bits / 4u; quad++) {
    let sizes = abs(sums[quad]);
    largest = max(largest, max(max(sizes.x, sizes.y), max(sizes.z, sizes.w)));
  }
  let scale = levelScale(largest, dims.queryBits);
  var bits = 0u;
  for (var quad = 0u; quad < 8u; quad++) {
    let values = sums[thread % words * 8u + quad];
    if (dims.queryBits == 0u) {
      bits |= signBits(values) << (4u * quad);
    } else {
      bits |= levelBits(values, scale, thread / words) << (4u * quad);
    }
  }
  planes[begin + first * words + thread] = bits;
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let row = workgroup.x;
  let list = workgroup.y;
  if (row >= step.rows) { return; }
  let planeCount = select(dims.listHeads, dims.queryBits, dims.queryBits > 0u);
  let begin = (row * dims.lists + list) * planeCount * (dims.bits / 32u);
  for (var first = 0u; first < dims.listHeads; first += dims.summed) {
    var sum = vec4f(0.0);
    for (var map = 0u; map < dims.summed; map++) {
      let head = list * dims.listHeads + first + map;
      for (var quad = thread; quad < (dims.headDim + 7u) / 8u * 2u; quad += threads) {
        activations[quad] = vec4f(
          inputAt(row, head, 4u * quad), inputAt(row, head, 4u * quad + 1u),
          inputAt(row, head, 4u * quad + 2u), inputAt(row, head, 4u * quad + 3u),
        );
      }
      let outputs = runMap(ofQuery, dims.qHeads, head, thread);
      sum += activations[outputs + thread];
      workgroupBarrier();
    }
    sums[thread] = sum;
    workgroupBarrier();
    writePlanes(begin, first, thread);
    workgroupBarrier();
  }
}
