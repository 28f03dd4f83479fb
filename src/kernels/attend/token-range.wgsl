// The attended set of dense attention: every token up to and including the current one.
fn tokenCount() -> u32 {
  return step.position + 1u;
}

// Cache row of the i-th attended token, i < tokenCount().
fn tokenAt(i: u32) -> u32 {
  return i;
}
