// The attended set of dense attention: every token up to and including the current one, for every list.
struct Dims {
  capacity: u32,
  splits: u32,
  parts: u32,    // partial results of a head: the splits, and what a tail leaves behind them
}

fn tokenCount() -> u32 {
  return step.position + 1u;
}

// The i-th attended token, i < tokenCount().
fn tokenAt(list: u32, i: u32) -> u32 {
  return i;
}

// There is nothing to find on the way.
fn findTokens(list: u32, first: u32, end: u32, isFirst: bool, thread: u32) -> u32 {
  return end;
}
