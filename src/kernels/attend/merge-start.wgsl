// What a merge starts from where the splits are all there is: nothing.
struct Dims {
  splits: u32,
}

struct Merged {
  top: f32,    // largest score
  weight: f32, // sum of weights relative to it
  sum: vec4f,  // weighted values, four dimensions
}

fn startOf(head: u32, vector: u32, thread: u32) -> Merged {
  return Merged(noScore, 0.0, vec4f(0.0));
}

fn begin(head: u32, thread: u32) {}
