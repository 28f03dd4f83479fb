// The shortest distance within which the tokens number `goal` (component 0) or weigh `goal` (component 1).
// Narrows a range of keys: the classes of the histogram first, then 256 parts of the range per round, each round a pass
// over the chunks that have tokens in the class, until one token or one key is left: one or two rounds as a rule.
struct Cut {
  lastKey: u32, // tokens with key ≤ lastKey survive
  weight: f32,  // of the survivors
}

// Counts and weighs the tokens of a class in equal parts of the key range from `low` to before `end`.
fn countParts(lane: u32, largest: f32, bin: u32, low: u32, end: u32, shift: u32) {
  let nearest = bitcast<f32>(low);
  let team = min(teamLanes, lanes);
  clearSlots(lane);
  for (var chunk = lane / team; chunk < dims.chunkCount; chunk += lanes / team) {
    if (histogram[chunk * (bins / 2u) + bin / 2u][2u * (bin % 2u)] == 0.0) {
      continue;
    }
    let endOfChunk = min((chunk + 1u) * chunkSize, dims.vocab);
    for (var id = chunk * chunkSize + lane % team; id < endOfChunk; id += team) {
      let distance = largest - adjusted[id];
      let key = bitcast<u32>(distance);
      if (key >= low && key < end) {
        addToSlot((key - low) >> shift, weightOf(distance - nearest));
      }
    }
  }
  workgroupBarrier();
  for (var item = lane; item < itemCount; item += lanes) {
    items[item] = vec2f(0.0);
    if (item < slots) {
      items[item] = slotTotal(item) * vec2f(1.0, weightOf(nearest));
    }
  }
}

fn findCut(lane: u32, largest: f32, component: u32, goal: f32) -> Cut {
  for (var pair = lane; pair < bins / 2u; pair += lanes) {
    var totals = vec4f(0.0);
    for (var chunk = 0u; chunk < dims.chunkCount; chunk++) {
      totals += histogram[chunk * (bins / 2u) + pair];
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
    countParts(lane, largest, bin, low, end, shift);
    here = pick(lane, sumItems(lane), component, goal - before[component]);
    before += here.before;
    low += here.item << shift;
    end = min(end, low + (1u << shift));
  }
  return Cut(end - 1u, before.y + here.inside.y);
}
