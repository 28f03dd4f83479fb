// The shortest distance at which the tokens so near the largest logit number `goal` (component 0) or weigh `goal`
// (component 1). Narrows a range of keys: the classes of the histogram first, then 512 parts of the range per round, each
// round a pass over the chunks that have tokens in the class, until one token or one key is left: two rounds as a rule.
struct Cut {
  lastKey: u32, // tokens with key ≤ lastKey survive
  weight: f32,  // of the survivors
}

struct Found {
  slot: u32,
  before: vec2f, // count and weight of nearer slots
  inside: vec2f,
}

var<workgroup> found: Found;

fn findSlot(lane: u32, even: vec2f, odd: vec2f, before: vec2f, component: u32, goal: f32) -> Found {
  sumLanes(lane, even + odd);
  let owner = firstReaching(lane, even + odd, component, goal - before[component]);
  if (lane == owner) {
    let nearer = before + sumBefore(lane);
    let takesEven = even[component] > 0.0 && (odd[component] == 0.0 || nearer[component] + even[component] >= goal);
    if (takesEven) {
      found = Found(2u * lane, nearer, even);
    } else {
      found = Found(2u * lane + 1u, nearer + even, odd);
    }
  }
  return workgroupUniformLoad(&found);
}

fn findCut(lane: u32, largest: f32, component: u32, goal: f32) -> Cut {
  var totals = vec4f(0.0);
  for (var chunk = 0u; chunk < dims.chunkCount; chunk++) {
    totals += histogram[chunk * lanes + lane];
  }
  var here = findSlot(lane, totals.xy, totals.zw, vec2f(0.0), component, goal);
  let bin = here.slot;
  var low = firstKeyOf(bin);
  var end = firstKeyOf(bin + 1u);
  while (here.inside.x > 1.0 && end - low > 1u) {
    if (component == 0u && here.before.x + here.inside.x == goal) {
      break;
    }
    let shift = max(firstLeadingBit(end - low - 1u), 8u) - 8u; // at most 512 parts
    let nearest = bitcast<f32>(low);
    clearSlots(lane);
    for (var chunk = lane / teamLanes; chunk < dims.chunkCount; chunk += lanes / teamLanes) {
      if (histogram[chunk * lanes + bin / 2u][2u * (bin % 2u)] == 0.0) {
        continue;
      }
      for (var slot = lane % teamLanes; slot < chunkSize; slot += teamLanes) {
        let id = chunk * chunkSize + slot;
        if (id >= dims.vocab) {
          break;
        }
        let distance = largest - adjusted[id];
        let key = bitcast<u32>(distance);
        if (key >= low && key < end) {
          addToSlot((key - low) >> shift, weightOf(distance - nearest));
        }
      }
    }
    workgroupBarrier();
    let scale = vec2f(1.0, weightOf(nearest));
    let even = slotTotal(2u * lane) * scale;
    let odd = slotTotal(2u * lane + 1u) * scale;
    here = findSlot(lane, even, odd, here.before, component, goal);
    low += here.slot << shift;
    end = min(end, low + (1u << shift));
  }
  return Cut(end - 1u, here.before.y + here.inside.y);
}
