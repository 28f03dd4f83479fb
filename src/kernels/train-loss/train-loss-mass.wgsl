// loss = −share · Σⱼ Tⱼ · log softmax(t · S)ⱼ over a row's candidates; S is replaced by the slope of the loss by S:
// share · t · (M · softmax(t · S)ⱼ − Tⱼ), M = Σ T, and zero elsewhere. One workgroup per list and row.
@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let list = group.y;
  let begin = dims.sink;
  let end = candidateEnd(row);
  let start = (list * dims.rows + row) * dims.tokens;
  let scale = parameters[dims.scaleIndex];
  var largest = -3.0e38;
  for (var token = begin + lane; token < end; token += threads) {
    largest = max(largest, scale * scores[start + token]);
  }
  parts[lane] = vec4f(largest);
  for (var width = threads / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { parts[lane] = max(parts[lane], parts[lane + width]); }
  }
  workgroupBarrier();
  largest = parts[0].x;
  workgroupBarrier();

  // Σ e, Σ e · S, Σ T, Σ T · S
  var part = vec4f();
  for (var token = begin + lane; token < end; token += threads) {
    let score = scores[start + token];
    let weight = exp(scale * score - largest);
    let aim = targets[start + token];
    part += vec4f(weight, weight * score, aim, aim * score);
  }
  let sums = totalOf(lane, part);
  let isEmpty = end <= begin;
  let norm = select(1.0 / sums.x, 0.0, isEmpty);
  for (var token = lane; token < dims.tokens; token += threads) {
    var slope = 0.0;
    if (token >= begin && token < end) {
      let share = exp(scale * scores[start + token] - largest) * norm;
      slope = dims.share * scale * (sums.z * share - targets[start + token]);
    }
    scores[start + token] = slope;
  }
  if (lane == 0u) {
    let logSum = largest + log(select(sums.x, 1.0, isEmpty));
    let loss = select(sums.z * logSum - scale * sums.w, 0.0, isEmpty);
    putResult(list, row, dims.share * loss, dims.share * (sums.z * sums.y * norm - sums.w));
  }
}
