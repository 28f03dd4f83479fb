// loss = share · Σⱼ (20 · softplus(−x) where label, softplus(x) elsewhere), x = t · S, over a row's candidates; labels
// are the 32 of most attention, and those that equal the last of them, if it is above zero. S is replaced by the slope
// of the loss by S; t stays as it is.   (Desai et al. 2024, arXiv:2412.14468, as its authors train)
// One workgroup per list and row.
const labels = 32u;
const positiveWeight = 20.0;

// log(1 + exp(x))
fn softplus(x: f32) -> f32 {
  return max(x, 0.0) + log(1.0 + exp(-abs(x)));
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let list = group.y;
  let begin = dims.sink;
  let end = candidateEnd(row);
  let start = (list * dims.rows + row) * dims.tokens;
  let scale = parameters[dims.scaleIndex];
  // The largest threshold that at least 32 targets reach, bit by bit; targets are not negative.
  var threshold = 0u;
  for (var bit = 0x40000000u; bit > 0u; bit >>= 1u) {
    var count = 0u;
    for (var token = begin + lane; token < end; token += threads) {
      count += u32(bitcast<u32>(targets[start + token]) >= (threshold | bit));
    }
    if (countTogether(lane, count) >= labels) { threshold |= bit; }
  }
  var loss = 0.0;
  for (var token = lane; token < dims.tokens; token += threads) {
    var slope = 0.0;
    if (token >= begin && token < end) {
      let bits = bitcast<u32>(targets[start + token]);
      let x = scale * scores[start + token];
      let isLabel = bits >= max(threshold, 1u);
      let share = 1.0 / (1.0 + exp(clamp(select(-x, x, isLabel), -80.0, 80.0)));
      loss += select(softplus(x), positiveWeight * softplus(-x), isLabel);
      slope = dims.share * scale * select(share, -positiveWeight * share, isLabel);
    }
    scores[start + token] = slope;
  }
  let total = totalOf(lane, vec4f(loss, 0.0, 0.0, 0.0)).x;
  if (lane == 0u) { putResult(list, row, dims.share * total, 0.0); }
}
