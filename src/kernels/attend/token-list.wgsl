// The attended set of sparse attention: the first tokens, those listed, and the last, all in ascending order.
// tokenLists: u32 [lists, listCapacity], ascending, as many as the budget gives.
struct Dims {
  capacity: u32,
  splits: u32,
  parts: u32,    // partial results of a head: the splits, and what a tail leaves behind them
  listCapacity: u32,
  kvHeads: u32,
  slots: u32,  // of the tail, see block-runs.wgsl and block-means.wgsl; 0 without one
  blocks: u32, // of the tail's sums; 0 without one
}

@group(0) @binding(6) var<uniform> budget: Budget;
@group(0) @binding(7) var<storage, read> tokenLists: array<u32>;

fn tokenCount() -> u32 {
  return attendedSetOf(budget, step.position + 1u).count;
}

// The i-th attended token, i < tokenCount(). Reads the list in any case: without a branch, several reads overlap.
fn tokenAt(list: u32, i: u32) -> u32 {
  let n = step.position + 1u;
  let attended = attendedSetOf(budget, n);
  let endListed = attended.sinkEnd + attended.selected;
  let entry = min(max(i, attended.sinkEnd) - attended.sinkEnd, dims.listCapacity - 1u);
  let listed = tokenLists[list * dims.listCapacity + entry];
  return select(select(n - (attended.count - i), listed, i < endListed), i, i < attended.sinkEnd);
}

// There is nothing to find on the way.
fn findTokens(list: u32, first: u32, end: u32, isFirst: bool, thread: u32) -> u32 {
  return end;
}
