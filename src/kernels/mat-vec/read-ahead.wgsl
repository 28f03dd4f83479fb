// A few workgroups in front of the others read for a dispatch to come, which reads rows of a cache here and there: a word of
// every page, so that its addresses are translated by then. An H200 keeps translations for some 5 GB, each of 512 KB; more
// of them come from memory, some 60 in a microsecond. One invocation of a subgroup reads one word after another: with more
// at once, the product's own weights would wait.
// aheadCache: f16 [aheadHeads, capacity, headDim], of which the rows up to step.position will be read. Where the product makes
// heads it reads nothing ahead, and this is the cache of values that it writes.
@group(0) @binding(8) var<storage, read_write> aheadCache: array<u32>;

const pageWords = 131072u;
const noHalves = 0xffffffffu; // no cached pair of halves: they are finite

fn readAhead(chain: u32, chains: u32) {
  let heads = dims.aheadHeads;
  let pages = step.position * dims.aheadRowWords / pageWords + 1u; // of a head
  var largest = 0u;
  for (var page = chain; page < pages * heads; page += chains) {
    largest = max(largest, aheadCache[page % heads * dims.aheadHeadWords + page / heads * pageWords]);
  }
  // Words that nothing depends on would not be read. Only a broken cache gets here, and shows itself: these bits are no number.
  if (largest == noHalves) {
    out[dims.firstOut] = bitcast<f32>(largest);
  }
}
