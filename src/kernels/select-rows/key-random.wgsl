// Keys by chance: the larger the random score, the smaller. The lists' seeds follow one another.
struct Dims {
  rows: u32,
  maskWords: u32,
  seed: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

fn keyOf(list: u32, row: u32, token: u32) -> u32 {
  return ~randomScore(dims.seed + list, step.position + row, token);
}
