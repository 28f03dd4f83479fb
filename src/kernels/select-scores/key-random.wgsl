// A random score. The lists' seeds follow one another.
struct Dims {
  listCapacity: u32,
  seed: u32,
}

fn keyAt(list: u32, token: u32) -> u32 {
  return randomScore(dims.seed + list, step.position, token);
}
