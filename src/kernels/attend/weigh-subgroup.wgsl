// Weights of a team's four tokens by shuffles. A team is a power of two of neighbouring invocations, at least a quad
// and no larger than the smallest subgroup, so it never straddles two.
// `score`: a lane's share of the dot products, a column per token. Two exchanges inside a quad leave each of its lanes
// with one token (lane % 4), which takes a third of the shuffles and a fifth of the exponentials of doing all four in
// every lane.
fn weigh(score: mat4x4f, isToken: vec4<bool>, top: vec4f, thread: u32) -> Weighed {
  let isOdd = (thread & 1u) != 0u;
  let isUpper = (thread & 2u) != 0u;
  let lower = select(score[0], score[1], isOdd) + quadSwapX(select(score[1], score[0], isOdd));
  let upper = select(score[2], score[3], isOdd) + quadSwapX(select(score[3], score[2], isOdd));
  var own = select(lower, upper, isUpper) + quadSwapY(select(upper, lower, isUpper));
  if (lanes > 4u) {
    own += subgroupShuffleXor(own, 4u);
  }
  if (lanes > 8u) {
    own += subgroupShuffleXor(own, 8u);
  }
  if (lanes > 16u) {
    own += subgroupShuffleXor(own, 16u);
  }

  let isOwnToken = select(select(isToken.x, isToken.y, isOdd), select(isToken.z, isToken.w, isOdd), isUpper);
  // A score of noScore weighs 0; in a team without tokens it weighs 1, until teams meet and the team counts for 0.
  own = select(vec4f(noScore), own, isOwnToken);
  var highest = max(own, quadSwapX(own));
  highest = max(top, max(highest, quadSwapY(highest)));
  let weight = exp2(own - highest);
  return Weighed(
    mat4x4f(
      quadBroadcast(weight, 0u),
      quadBroadcast(weight, 1u),
      quadBroadcast(weight, 2u),
      quadBroadcast(weight, 3u),
    ),
    weight,
    highest,
  );
}

// Lanes have summed the weights of their own tokens: a quad has them all.
fn wholeWeight(own: vec4f) -> vec4f {
  let pair = own + quadSwapX(own);
  return pair + quadSwapY(pair);
}

// Two heads of four, chosen, not indexed, so that what it chooses from stays in registers. Where two teams meet, one
// keeps the first two heads of both and the other the last two.
fn pairOf(values: vec4f, isSecond: bool) -> vec2f {
  let kept = select(values.xy, values.zw, isSecond);
  if (together == 1u) {
    return kept;
  }
  return kept + subgroupShuffleXor(select(values.zw, values.xy, isSecond), lanes * sets);
}
