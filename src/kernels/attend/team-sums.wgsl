// How teams meet at the end of a split: each lane stores its octets for two heads (pairOf, from weigh-*.wgsl), and a
// dimension is summed over teams. lanes, octets, sets, together, threads: overrides of attend-split.wgsl.

// The dimensions of an octet for two heads, octet after octet; one element more, so that neighbours use different banks.
var<workgroup> teamSum: array<array<vec2f, 9>, threads * octets>;

fn store(at: u32, sums: Octet, isSecond: bool) {
  let to = &teamSum[at];
  (*to)[0] = pairOf(sums.low[0], isSecond);
  (*to)[1] = pairOf(sums.low[1], isSecond);
  (*to)[2] = pairOf(sums.low[2], isSecond);
  (*to)[3] = pairOf(sums.low[3], isSecond);
  (*to)[4] = pairOf(sums.high[0], isSecond);
  (*to)[5] = pairOf(sums.high[1], isSecond);
  (*to)[6] = pairOf(sums.high[2], isSecond);
  (*to)[7] = pairOf(sums.high[3], isSecond);
}

// Dimension d of what every (sets · together)-th team from the first stored.
fn sumOfTeams(d: u32, first: u32) -> vec2f {
  let octet = d / 8u;
  var at = octet % lanes;
  if (octets > 1u) {
    at += octet / lanes * threads;
  }
  var sum = vec2f(0.0);
  for (var t = 0u; t < teamsPerSet / together; t++) {
    sum += teamSum[at + (first + t * sets * together) * lanes][d % 8u];
  }
  return sum;
}
