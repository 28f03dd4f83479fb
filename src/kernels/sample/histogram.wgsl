// Second pass, only for top-k and top-p, one workgroup per chunk: how many tokens lie in each class of distance below
// the largest adjusted logit of all, and their weight.
// histogram: f32 [chunks, bins / 2, 4]: count and weight of an even class, then of the odd class after it.
struct Dims {
  vocab: u32,
  chunkCount: u32,
}
override lanes: u32;
const slots = bins;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> params: SamplingParams;
@group(0) @binding(2) var<storage, read> adjusted: array<vec4f>;
@group(0) @binding(3) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(4) var<storage, read_write> histogram: array<vec4f>;

var<workgroup> tops: array<f32, lanes>;

// Largest adjusted logit of all, from the chunks'.
fn largestOfAll(lane: u32) -> f32 {
  var mine = belowAll;
  for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
    mine = max(mine, chunks[chunk].largest);
  }
  tops[lane] = mine;
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      tops[lane] = max(tops[lane], tops[lane + half]);
    }
  }
  return workgroupUniformLoad(&tops[0]);
}

fn binTotal(bin: u32) -> vec2f {
  return slotTotal(bin) * vec2f(1.0, weightOf(bitcast<f32>(firstKeyOf(bin))));
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (params.topK == 0u && params.topP >= 1.0) {
    return;
  }
  let largest = largestOfAll(lane);
  clearSlots(lane);
  for (var i = 0u; i < quadsPerChunk / lanes; i++) {
    let quad = workgroup.x * quadsPerChunk + i * lanes + lane;
    let keys = keysOf(quad, quadAt(quad), largest);
    for (var j = 0u; j < 4u; j++) {
      if (keys[j] < endOfKeys) {
        let bin = binOf(keys[j]);
        addToSlot(bin, weightOf(bitcast<f32>(keys[j]) - bitcast<f32>(firstKeyOf(bin))));
      }
    }
  }
  workgroupBarrier();
  for (var pair = lane; pair < bins / 2u; pair += lanes) {
    histogram[workgroup.x * (bins / 2u) + pair] = vec4f(binTotal(2u * pair), binTotal(2u * pair + 1u));
  }
}
