// `slots` counters in workgroup memory, each a count and a sum of weights in fixed point, 12 bits in either word below
// the point: integer sums do not depend on the order of the lanes, so the same inputs give the same bits.
var<workgroup> slotCount: array<atomic<u32>, slots>;
var<workgroup> slotHigh: array<atomic<u32>, slots>; // units of 2^-12
var<workgroup> slotLow: array<atomic<u32>, slots>;  // units of 2^-24

fn clearSlots(lane: u32) {
  workgroupBarrier(); // an earlier use may still be read
  for (var slot = lane; slot < slots; slot += lanes) {
    atomicStore(&slotCount[slot], 0u);
    atomicStore(&slotHigh[slot], 0u);
    atomicStore(&slotLow[slot], 0u);
  }
  workgroupBarrier();
}

fn addToSlot(slot: u32, weight: f32) {
  let scaled = weight * 4096.0;
  let whole = floor(scaled);
  atomicAdd(&slotCount[slot], 1u);
  atomicAdd(&slotHigh[slot], u32(whole));
  atomicAdd(&slotLow[slot], u32((scaled - whole) * 4096.0 + 0.5));
}

// (count, sum of weights); call after a barrier.
fn slotTotal(slot: u32) -> vec2f {
  let mass = f32(atomicLoad(&slotHigh[slot])) * 0x1p-12f + f32(atomicLoad(&slotLow[slot])) * 0x1p-24f;
  return vec2f(f32(atomicLoad(&slotCount[slot])), mass);
}
