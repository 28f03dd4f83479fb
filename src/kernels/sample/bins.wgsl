// 512 classes of distance: 32 to each power of two from 2^-8 to 2^8, the first from 0, the last without end.
// A class is a range of keys (the bits of the distance), so its edges are exact.
const binShift = 18u;          // keys of one class: 2^18
const firstBin = 3808u;        // bits of 2^-8, shifted
const bins = 512u;
const endOfKeys = 0x7f800000u; // bits of infinity: above every distance

fn binOf(key: u32) -> u32 {
  return clamp(key >> binShift, firstBin, firstBin + bins - 1u) - firstBin;
}

// First key of a class; of `bins`: the end.
fn firstKeyOf(bin: u32) -> u32 {
  if (bin == 0u) {
    return 0u;
  }
  return select((firstBin + bin) << binShift, endOfKeys, bin == bins);
}
