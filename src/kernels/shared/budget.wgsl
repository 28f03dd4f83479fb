// Which tokens sparse attention looks at while one is decoded. Of n tokens, the current one included, the first `sink`
// and the last `window` always count; between them are the candidates [sinkEnd, windowStart), of which
// min(max(count, ⌊n · share / 65536⌋), candidates) are selected. Ranges are clipped and never overlap; the window wins.
struct Budget {
  sink: u32,
  window: u32,
  count: u32,
  share: u32, // of the context, in 1/65536, at most 65536
}

struct AttendedSet {
  sinkEnd: u32,
  windowStart: u32,
  selected: u32, // entries of a list
  count: u32,    // sink, list and window together
}

fn attendedSetOf(budget: Budget, n: u32) -> AttendedSet {
  let windowStart = n - min(budget.window, n);
  let sinkEnd = min(budget.sink, windowStart);
  // n · share in two halves, because it needs more than 32 bits.
  let wanted = (n >> 16u) * budget.share + (((n & 65535u) * budget.share) >> 16u);
  let selected = min(max(budget.count, wanted), windowStart - sinkEnd);
  return AttendedSet(sinkEnd, windowStart, selected, sinkEnd + selected + n - windowStart);
}
