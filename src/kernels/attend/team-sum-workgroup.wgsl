// Sums over the lanes of a team through workgroup memory, each lane adding up some of the team's 16 scores.
// Two barriers suffice: an invocation writes laneScores again only after all have passed the second one, and
// teamScores only after all have passed the next call's first.
var<workgroup> laneScores: array<vec4f, threads * 4>;
var<workgroup> teamScores: array<vec4f, threads / lanes * 4>;

fn teamSums(score: mat4x4f, thread: u32) -> mat4x4f {
  let lane = thread % lanes;
  let team = thread / lanes;
  for (var token = 0u; token < 4u; token++) {
    laneScores[token * threads + thread] = score[token];
  }
  workgroupBarrier();
  for (var slot = lane; slot < 16u; slot += lanes) {
    var sum = 0.0;
    for (var other = 0u; other < lanes; other++) {
      sum += laneScores[slot / 4u * threads + team * lanes + other][slot % 4u];
    }
    teamScores[team * 4u + slot / 4u][slot % 4u] = sum;
  }
  workgroupBarrier();
  return mat4x4f(
    teamScores[team * 4u], teamScores[team * 4u + 1u], teamScores[team * 4u + 2u], teamScores[team * 4u + 3u],
  );
}
