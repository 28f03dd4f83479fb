// Last pass of a sampled step, one workgroup: the shortest of the cuts by top-k, top-p and min-p, then the token whose
// cumulative weight, in order of ids, first reaches random number · total: first its chunk, then the token inside.
struct Dims {
  vocab: u32,
  chunkCount: u32,
  ringSlots: u32,
}
override lanes: u32;
const slots = 256u;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> params: SamplingParams;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> adjusted: array<f32>;
@group(0) @binding(4) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(5) var<storage, read> histogram: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(7) var<storage, read_write> history: array<u32>;
@group(0) @binding(8) var<storage, read_write> step: Step;
@group(0) @binding(9) var<storage, read_write> results: array<u32>;

const teamLanes = 32u; // lanes that read one chunk together, so that a workgroup reads eight at a time
const idsPerItem = chunkSize / itemCount;
const everyKey = endOfKeys - 1u;

var<workgroup> randomNumber: f32;

// Last key of the survivors of top-k, then of top-p on what top-k left, then of min-p.
fn survivors(lane: u32, largest: f32) -> u32 {
  var cut = Cut(everyKey, 0.0);
  if (params.topK != 0u) {
    cut = findCut(lane, largest, 0u, f32(min(params.topK, dims.vocab)));
  } else {
    for (var chunk = 0u; chunk < dims.chunkCount; chunk++) {
      cut.weight += chunks[chunk].sum * weightOf(largest - chunks[chunk].largest);
    }
  }
  var lastKey = cut.lastKey;
  if (params.topP < 1.0) {
    lastKey = min(lastKey, findCut(lane, largest, 1u, params.topP * cut.weight).lastKey);
  }
  return min(lastKey, bitcast<u32>(params.minPDistance));
}

// Item c: weight of the survivors in chunk c.
fn weighChunks(lane: u32, largest: f32, lastKey: u32) {
  if (lastKey < everyKey) {
    let team = min(teamLanes, lanes);
    clearSlots(lane);
    for (var chunk = lane / team; chunk < dims.chunkCount; chunk += lanes / team) {
      let top = chunks[chunk].largest;
      if (bitcast<u32>(largest - top) > lastKey) {
        continue;
      }
      var sum = 0.0;
      let end = min((chunk + 1u) * chunkSize, dims.vocab);
      for (var id = chunk * chunkSize + lane % team; id < end; id += team) {
        if (bitcast<u32>(largest - adjusted[id]) <= lastKey) {
          sum += weightOf(top - adjusted[id]);
        }
      }
      addToSlot(chunk, sum);
    }
    workgroupBarrier();
  }
  for (var item = lane; item < itemCount; item += lanes) {
    var weight = 0.0;
    if (item < dims.chunkCount) {
      let sum = select(slotTotal(item).y, chunks[item].sum, lastKey == everyKey);
      weight = sum * weightOf(largest - chunks[item].largest);
    }
    items[item] = vec2f(0.0, weight);
  }
}

fn survivorWeight(id: u32, largest: f32, lastKey: u32) -> f32 {
  if (id >= dims.vocab) {
    return 0.0;
  }
  let distance = largest - adjusted[id];
  return select(0.0, weightOf(distance), bitcast<u32>(distance) <= lastKey);
}

fn draw(lane: u32, largest: f32, lastKey: u32, number: f32) -> u32 {
  weighChunks(lane, largest, lastKey);
  let ownChunks = sumItems(lane);
  let goal = number * running[lanes - 1u].y;
  let chunk = pick(lane, ownChunks, 1u, goal);

  let goalInChunk = goal - chunk.before.y;
  let first = chunk.item * chunkSize;
  for (var item = lane; item < itemCount; item += lanes) {
    var weight = 0.0;
    for (var id = first + item * idsPerItem; id < first + (item + 1u) * idsPerItem; id++) {
      weight += survivorWeight(id, largest, lastKey);
    }
    items[item] = vec2f(0.0, weight);
  }
  let few = pick(lane, sumItems(lane), 1u, goalInChunk);

  var sum = few.before.y;
  var token = noToken;
  for (var id = first + few.item * idsPerItem; id < first + (few.item + 1u) * idsPerItem; id++) {
    let weight = survivorWeight(id, largest, lastKey);
    if (weight > 0.0 && (token == noToken || sum < goalInChunk)) {
      token = id;
      sum += weight;
    }
  }
  return token;
}

@compute @workgroup_size(lanes)
fn main(@builtin(local_invocation_index) lane: u32) {
  if (lane == 0u) {
    randomNumber = uniformAt(params.seedLow, params.seedHigh, step.index);
  }
  let number = workgroupUniformLoad(&randomNumber);
  var largest = belowAll;
  for (var chunk = 0u; chunk < dims.chunkCount; chunk++) {
    largest = max(largest, chunks[chunk].largest);
  }
  let lastKey = survivors(lane, largest);
  finish(lane, draw(lane, largest, lastKey, number));
}
