// Weights of a team's four tokens through workgroup memory, each of four lanes adding up one token's scores.
// `score`: a lane's share of the dot products, a column per token.
// Two barriers suffice: an invocation writes laneScores again only after all have passed the second one, and
// teamScores only after all have passed the next call's first.
var<workgroup> laneScores: array<vec4f, threads * 4>;
var<workgroup> teamScores: array<vec4f, threads / lanes * 4>;

fn weigh(score: mat4x4f, isToken: vec4<bool>, top: vec4f, thread: u32) -> Weighed {
  let lane = thread % lanes;
  let team = thread / lanes;
  laneScores[thread] = score[0];
  laneScores[threads + thread] = score[1];
  laneScores[2u * threads + thread] = score[2];
  laneScores[3u * threads + thread] = score[3];
  workgroupBarrier();
  // Whole vectors: a write to a component may touch the others, which neighbours would be writing.
  if (lane < 4u) {
    var sum = vec4f(0.0);
    for (var other = 0u; other < lanes; other++) {
      sum += laneScores[lane * threads + team * lanes + other];
    }
    teamScores[team * 4u + lane] = sum;
  }
  workgroupBarrier();
  // A score of noScore weighs 0; in a team without tokens it weighs 1, until teams meet and the team counts for 0.
  let score0 = select(vec4f(noScore), teamScores[team * 4u], isToken.x);
  let score1 = select(vec4f(noScore), teamScores[team * 4u + 1u], isToken.y);
  let score2 = select(vec4f(noScore), teamScores[team * 4u + 2u], isToken.z);
  let score3 = select(vec4f(noScore), teamScores[team * 4u + 3u], isToken.w);
  let highest = max(top, max(max(score0, score1), max(score2, score3)));
  let w = mat4x4f(exp2(score0 - highest), exp2(score1 - highest), exp2(score2 - highest), exp2(score3 - highest));
  return Weighed(w, (w[0] + w[1]) + (w[2] + w[3]), highest);
}

// Every lane has summed all weights.
fn wholeWeight(own: vec4f) -> vec4f {
  return own;
}

// Two heads of four, chosen, not indexed, so that what it chooses from stays in registers.
fn pairOf(values: vec4f, isSecond: bool) -> vec2f {
  return select(values.xy, values.zw, isSecond);
}
