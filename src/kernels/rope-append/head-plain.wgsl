// Elements of a query or key head, as projected.
fn readHead(input: u32, isQuery: bool, lane: u32) {}

fn elementAt(input: u32, d: u32) -> f32 {
  return qkv[input + d];
}
