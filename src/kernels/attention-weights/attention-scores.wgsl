// weights[head, token] = q · k · log2(e) / √headDim for tokens 0 … step.position: the exponents of a softmax to base 2.
// One invocation takes four tokens and up to four query heads of one group, one to a component of its vectors. No barriers.
// query: f32 [qHeads, headDim]; keyCache: packed f16 [kvHeads, capacity, headDim]; weights: f32 [qHeads, capacity].
struct Dims {
  words: u32, // headDim / 2
  group: u32, // query heads per KV head
  capacity: u32,
  scale: f32, // log2(e) / √headDim
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read> query: array<vec2f>;
@group(0) @binding(3) var<storage, read> keyCache: array<u32>;
@group(0) @binding(4) var<storage, read_write> weights: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let first = id.x * 4u;
  if (first > step.position) { return; }
  let blocks = (dims.group + 3u) / 4u;
  let kvHead = id.y / blocks;
  let firstHead = kvHead * dims.group + id.y % blocks * 4u;
  let heads = min(4u, (kvHead + 1u) * dims.group - firstHead);

  // Tokens and heads beyond the last repeat it and are not written.
  let token = min(first + vec4u(0u, 1u, 2u, 3u), vec4u(step.position));
  let row = (kvHead * dims.capacity + token) * dims.words;
  let head = firstHead + min(vec4u(0u, 1u, 2u, 3u), vec4u(heads - 1u));
  let byHead = transpose(dotsOfFour(head * dims.words, row, dims.words)) * dims.scale;
  writeScores(firstHead, first, byHead[0]);
  if (heads > 1u) { writeScores(firstHead + 1u, first, byHead[1]); }
  if (heads > 2u) { writeScores(firstHead + 2u, first, byHead[2]); }
  if (heads > 3u) { writeScores(firstHead + 3u, first, byHead[3]); }
}

fn writeScores(head: u32, first: u32, scores: vec4f) {
  let at = head * dims.capacity + first;
  let last = step.position - first;
  weights[at] = scores.x;
  if (last > 0u) { weights[at + 1u] = scores.y; }
  if (last > 1u) { weights[at + 2u] = scores.z; }
  if (last > 2u) { weights[at + 3u] = scores.w; }
}
