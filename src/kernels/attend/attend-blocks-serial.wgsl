// A run of block means by one invocation: block after block, the sums in `partials`. See block-means.wgsl.
@group(0) @binding(8) var<storage, read_write> blockSums: array<vec2f>;

fn attendBlocks(slot: u32, kvHead: u32) {
  let words = headDim / 2u;
  let rowFloats = (headDim + 3u) / 4u * 4u + 4u;
  let scale = 1.4426950408889634 / sqrt(f32(headDim));
  let attended = attendedSetOf(budget, step.position + 1u);
  let run = blockRunOf(slot, dims.slots, step.position);
  let sumsStart = kvHead * dims.blocks * 2u * words;

  if (hasNewest(run)) {
    // A block's first token replaces whatever an older sequence left there.
    let kept = select(1.0, 0.0, step.position % blockTokens == 0u);
    let sums = sumsStart + run.newest * 2u * words;
    let row = (kvHead * dims.capacity + step.position) * words;
    for (var word = 0u; word < words; word++) {
      blockSums[sums + word] = kept * blockSums[sums + word] + unpack2x16float(keyCache[row + word]);
      blockSums[sums + words + word] = kept * blockSums[sums + words + word] + unpack2x16float(valueCache[row + word]);
    }
  }

  let heads = group * listsPerKvHead;
  for (var head = kvHead * heads; head < (kvHead + 1u) * heads; head++) {
    let out = (head * dims.parts + dims.splits + slot) * rowFloats;
    for (var d = 0u; d < headDim; d++) {
      partials[out + d] = 0.0;
    }
    var top = noScore;
    var weight = 0.0;
    for (var block = run.first; block < run.end; block++) {
      let standsFor = weightOf(block, attended);
      if (standsFor == 0.0) {
        continue;
      }
      let sums = sumsStart + block * 2u * words;
      var products = vec2f(0.0);
      for (var word = 0u; word < words; word++) {
        products += query[head * words + word] * blockSums[sums + word];
      }
      let share = tokenShare(run, block);
      let score = (products.x + products.y) * scale * share + log2(standsFor);
      let highest = max(top, score);
      let correction = exp2(top - highest);
      let gain = exp2(score - highest);
      top = highest;
      weight = weight * correction + gain;
      for (var word = 0u; word < words; word++) {
        let value = blockSums[sums + words + word] * (gain * share);
        partials[out + 2u * word] = partials[out + 2u * word] * correction + value.x;
        partials[out + 2u * word + 1u] = partials[out + 2u * word + 1u] * correction + value.y;
      }
    }
    partials[out + rowFloats - 4u] = top;
    partials[out + rowFloats - 3u] = weight;
  }
}
