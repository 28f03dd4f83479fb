// A number in [0, 1), a multiple of 2^-24, from the seed and the step alone: the hash pcg3d of M. Jarzynski and
// M. Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020. Integers only: the CPU gets the same bits.
fn uniformAt(seedLow: u32, seedHigh: u32, index: u32) -> f32 {
  var word = vec3u(seedLow, seedHigh, index) * 1664525u + 1013904223u;
  word.x += word.y * word.z;
  word.y += word.z * word.x;
  word.z += word.x * word.y;
  word ^= word >> vec3u(16u);
  word.x += word.y * word.z;
  return f32(word.x >> 8u) * 0x1p-24f;
}
