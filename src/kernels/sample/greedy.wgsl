// Last pass of a greedy step, one workgroup: the largest adjusted logit, the lowest id of equal ones.
struct Dims {
  vocab: u32,
  chunkCount: u32,
  ringSlots: u32,
}
override lanes: u32;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> params: SamplingParams;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(5) var<storage, read_write> history: array<u32>;
@group(0) @binding(6) var<storage, read_write> step: Step;
@group(0) @binding(7) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(lanes)
fn main(@builtin(local_invocation_index) lane: u32) {
  var mine = Candidate(belowAll, noToken);
  for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
    mine = better(mine, Candidate(chunks[chunk].largest, chunks[chunk].id));
  }
  finish(lane, best(lane, mine).id);
}
