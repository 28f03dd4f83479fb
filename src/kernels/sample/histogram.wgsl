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
@group(0) @binding(2) var<storage, read> adjusted: array<f32>;
@group(0) @binding(3) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(4) var<storage, read_write> histogram: array<vec4f>;

fn binTotal(bin: u32) -> vec2f {
  return slotTotal(bin) * vec2f(1.0, weightOf(bitcast<f32>(firstKeyOf(bin))));
}

@compute @workgroup_size(lanes)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (params.topK == 0u && params.topP >= 1.0) {
    return;
  }
  var largest = belowAll;
  for (var chunk = 0u; chunk < dims.chunkCount; chunk++) {
    largest = max(largest, chunks[chunk].largest);
  }
  clearSlots(lane);
  let end = min((workgroup.x + 1u) * chunkSize, dims.vocab);
  for (var id = workgroup.x * chunkSize + lane; id < end; id += lanes) {
    let distance = largest - adjusted[id];
    let bin = binOf(bitcast<u32>(distance));
    addToSlot(bin, weightOf(distance - bitcast<f32>(firstKeyOf(bin))));
  }
  workgroupBarrier();
  for (var pair = lane; pair < bins / 2u; pair += lanes) {
    histogram[workgroup.x * (bins / 2u) + pair] = vec4f(binTotal(2u * pair), binTotal(2u * pair + 1u));
  }
}
