// The shortest distance within which the tokens number `goal` (component 0) or weigh `goal` (component 1).
// Narrows a range of keys: the classes of the histogram first, then 256 parts of the range per round, each round a pass
// over the chunks that have tokens in the class, until one token or one key is left: one or two rounds as a rule.
// One workgroup reads all that: wherever it can, many words are on their way at a time.
struct Cut {
  lastKey: u32, // tokens with key ≤ lastKey survive
  weight: f32,  // of the survivors
}

// Keys from `low` to before `end`, in parts of 2^shift.
struct Parts {
  low: u32,
  end: u32,
  shift: u32,
}

fn countQuad(keys: vec4u, parts: Parts) {
  let isInside = (keys >= vec4u(parts.low)) & (keys < vec4u(parts.end));
  if (!any(isInside)) {
    return;
  }
  for (var i = 0u; i < 4u; i++) {
    if (isInside[i]) {
      let distance = bitcast<f32>(keys[i]) - bitcast<f32>(parts.low);
      addToSlot((keys[i] - parts.low) >> parts.shift, weightOf(distance));
    }
  }
}

var<workgroup> inClass: array<f32, 256>; // tokens of each chunk

// Counts and weighs the tokens of a class in parts of a range of its keys.
fn countParts(lane: u32, largest: f32, bin: u32, parts: Parts) {
  for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
    inClass[chunk] = histogram[chunk * (bins / 2u) + bin / 2u][2u * (bin % 2u)];
  }
  clearSlots(lane);
  let team = min(teamLanes, lanes);
  for (var chunk = lane / team; chunk < dims.chunkCount; chunk += lanes / team) {
    if (inClass[chunk] == 0.0) {
      continue;
    }
    let end = (chunk + 1u) * quadsPerChunk;
    for (var quad = chunk * quadsPerChunk + lane % team; quad < end; quad += 4u * team) {
      var keys = keysOf(quad, quadAt(quad), largest);
      var second = keysOf(quad + team, quadAt(quad + team), largest);
      var third = keysOf(quad + 2u * team, quadAt(quad + 2u * team), largest);
      let fourth = keysOf(quad + 3u * team, quadAt(quad + 3u * team), largest);
      for (var turn = 0u; turn < 4u; turn += 1u) {
        countQuad(keys, parts);
        keys = second;
        second = third;
        third = fourth;
      }
    }
  }
  workgroupBarrier();
  for (var item = lane; item < itemCount; item += lanes) {
    items[item] = vec2f(0.0);
    if (item < slots) {
      items[item] = slotTotal(item) * vec2f(1.0, weightOf(bitcast<f32>(parts.low)));
    }
  }
}

fn findCut(lane: u32, largest: f32, component: u32, goal: f32) -> Cut {
  for (var pair = lane; pair < bins / 2u; pair += lanes) {
    var totals = vec4f(0.0);
    for (var first = 0u; first < dims.chunkCount; first += 8u) {
      for (var i = 0u; i < 8u; i++) {
        let found = histogram[min(first + i, dims.chunkCount - 1u) * (bins / 2u) + pair];
        totals += select(vec4f(0.0), found, first + i < dims.chunkCount);
      }
    }
    items[2u * pair] = totals.xy;
    items[2u * pair + 1u] = totals.zw;
  }
  var here = pick(lane, sumItems(lane), component, goal);
  var before = here.before;
  let bin = here.item;
  var low = firstKeyOf(bin);
  var end = firstKeyOf(bin + 1u);
  while (here.inside.x > 1.0 && end - low > 1u) {
    if (component == 0u && before.x + here.inside.x == goal) {
      break;
    }
    let shift = max(firstLeadingBit(end - low - 1u), 7u) - 7u; // at most 256 parts
    countParts(lane, largest, bin, Parts(low, end, shift));
    here = pick(lane, sumItems(lane), component, goal - before[component]);
    before += here.before;
    low += here.item << shift;
    end = min(end, low + (1u << shift));
  }
  return Cut(end - 1u, before.y + here.inside.y);
}
