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
@group(0) @binding(3) var<storage, read> adjusted: array<vec4f>;
@group(0) @binding(4) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(5) var<storage, read> histogram: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(7) var<storage, read_write> history: array<u32>;
@group(0) @binding(8) var<storage, read_write> step: Step;
@group(0) @binding(9) var<storage, read_write> results: array<u32>;

const teamLanes = 32u; // lanes that read one chunk together, so that a workgroup reads eight at a time
const_assert itemCount == quadsPerChunk;
const everyKey = endOfKeys - 1u;

var<workgroup> randomNumber: f32;
var<workgroup> tops: array<f32, 256>; // largest value of each chunk

// The largest of all, the same for all lanes; leaves `tops` for all to read.
fn readTops(lane: u32) -> f32 {
  var mine = Candidate(belowAll, noToken);
  for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
    let top = chunks[chunk].largest;
    tops[chunk] = top;
    mine = better(mine, Candidate(top, chunk));
  }
  return best(lane, mine).value;
}

// Of four tokens, weights of those that survive, beside that of a token of value `top`.
fn survivorWeights(quad: u32, largest: f32, top: f32, lastKey: u32) -> vec4f {
  let values = quadAt(quad);
  let distances = vec4f(top) - values;
  let isKept = (keysOf(quad, values, largest) <= vec4u(lastKey)) & (distances <= vec4f(87.0));
  return select(vec4f(0.0), exp(-clamp(distances, vec4f(0.0), vec4f(87.0))), isKept);
}

// Last key of the survivors of top-k, then of top-p on what top-k left, then of min-p.
fn survivors(lane: u32, largest: f32) -> u32 {
  var cut = Cut(everyKey, 0.0);
  if (params.topK != 0u) {
    cut = findCut(lane, largest, 0u, f32(min(params.topK, dims.vocab)));
  } else {
    var weight = 0.0;
    for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
      weight += chunks[chunk].sum * weightOf(largest - tops[chunk]);
    }
    cut.weight = sumOfLanes(lane, weight);
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
      let top = tops[chunk];
      if (bitcast<u32>(largest - top) > lastKey) {
        continue;
      }
      var sum = 0.0;
      let end = (chunk + 1u) * quadsPerChunk;
      for (var quad = chunk * quadsPerChunk + lane % team; quad < end; quad += 8u * team) {
        for (var i = 0u; i < 8u; i++) {
          sum += dot(survivorWeights(quad + i * team, largest, top, lastKey), vec4f(1.0));
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
      weight = sum * weightOf(largest - tops[item]);
    }
    items[item] = vec2f(0.0, weight);
  }
}

fn draw(lane: u32, largest: f32, lastKey: u32, number: f32) -> u32 {
  weighChunks(lane, largest, lastKey);
  let ownChunks = sumItems(lane);
  let goal = number * running[lanes - 1u].y;
  let chunk = pick(lane, ownChunks, 1u, goal);

  let goalInChunk = goal - chunk.before.y;
  let first = chunk.item * quadsPerChunk;
  for (var i = 0u; i < itemCount / lanes; i++) {
    let item = i * lanes + lane;
    let weights = survivorWeights(first + item, largest, largest, lastKey);
    items[item] = vec2f(0.0, ((weights.x + weights.y) + weights.z) + weights.w);
  }
  let few = pick(lane, sumItems(lane), 1u, goalInChunk);

  let weights = survivorWeights(first + few.item, largest, largest, lastKey);
  var sum = few.before.y;
  var token = noToken;
  for (var i = 0u; i < 4u; i++) {
    if (weights[i] > 0.0 && (token == noToken || sum < goalInChunk)) {
      token = 4u * (first + few.item) + i;
      sum += weights[i];
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
  let largest = readTops(lane);
  let lastKey = survivors(lane, largest);
  finish(lane, draw(lane, largest, lastKey, number));
}
