// Sums over the lanes of a team through workgroup memory, each lane adding up some of the team's scores.
// Two barriers suffice: an invocation writes laneScores again only after all have passed the second one, and
// teamScores only after all have passed the next call's first.
var<workgroup> laneScores: array<f32, batch * heads * threads>;
var<workgroup> teamScores: array<f32, batch * heads * (threads / lanes)>;

fn teamSums(scores: ptr<function, array<f32, maxScores>>, thread: u32) {
  let lane = thread % lanes;
  let firstThread = thread - lane;
  let firstScore = thread / lanes * batch * heads;
  for (var slot = 0u; slot < batch * heads; slot++) {
    laneScores[slot * threads + thread] = (*scores)[slot];
  }
  workgroupBarrier();
  for (var slot = lane; slot < batch * heads; slot += lanes) {
    var sum = 0.0;
    for (var other = 0u; other < lanes; other++) {
      sum += laneScores[slot * threads + firstThread + other];
    }
    teamScores[firstScore + slot] = sum;
  }
  workgroupBarrier();
  for (var slot = 0u; slot < batch * heads; slot++) {
    (*scores)[slot] = teamScores[firstScore + slot];
  }
}
