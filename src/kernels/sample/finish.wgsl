// The end of both lists: hands the token to the next step, counts it, and writes its record to the ring.
// Record, 64 words: token, bits of its log-probability, number of alternatives, then (id, bits of log-probability) of
// each in descending order. Log-probabilities are of the model's own logits; NaN bits where none were asked for.
const recordWords = 64u;
const noLogprob = 0x7fc00000u;

struct Candidate {
  value: f32,
  id: u32,
}

var<workgroup> candidates: array<Candidate, lanes>;
var<workgroup> heads: array<Candidate, 256>; // best alternative of each chunk not reported yet

fn better(a: Candidate, b: Candidate) -> Candidate {
  if (precedes(b.value, b.id, a.value, a.id)) {
    return b;
  }
  return a;
}

// The best of the lanes' candidates, the same for all lanes.
fn best(lane: u32, mine: Candidate) -> Candidate {
  candidates[lane] = mine;
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      candidates[lane] = better(candidates[lane], candidates[lane + half]);
    }
  }
  return workgroupUniformLoad(&candidates[0]);
}

// The sum of the lanes' numbers, the same for all lanes.
fn sumOfLanes(lane: u32, mine: f32) -> f32 {
  candidates[lane] = Candidate(mine, 0u);
  for (var half = lanes / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      candidates[lane] = Candidate(candidates[lane].value + candidates[lane + half].value, 0u);
    }
  }
  return workgroupUniformLoad(&candidates[0]).value;
}

// ln Σ exp(logit) over the vocabulary, from the chunks' sums.
fn logNormaliser(lane: u32) -> f32 {
  var mine = Candidate(belowAll, noToken);
  for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
    mine = better(mine, Candidate(chunks[chunk].rawLargest, chunk));
  }
  let largest = best(lane, mine).value;
  var sum = 0.0;
  for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
    sum += chunks[chunk].rawSum * weightOf(largest - chunks[chunk].rawLargest);
  }
  return largest + log(sumOfLanes(lane, sum));
}

// Takes the best head of all chunks, again and again; the chunk it came from is searched for its next one.
// A lane reads and writes only the heads of its own chunks.
fn writeAlternatives(lane: u32, record: u32, normaliser: f32) {
  for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
    heads[chunk] = Candidate(chunks[chunk].rawLargest, chunks[chunk].rawId);
  }
  var count = 0u;
  while (count < params.topLogprobs) {
    var mine = Candidate(belowAll, noToken);
    for (var chunk = lane; chunk < dims.chunkCount; chunk += lanes) {
      mine = better(mine, heads[chunk]);
    }
    let winner = best(lane, mine);
    if (winner.id == noToken) {
      break;
    }
    if (lane == 0u) {
      results[record + 3u + 2u * count] = winner.id;
      results[record + 4u + 2u * count] = bitcast<u32>(winner.value - normaliser);
    }
    count++;
    let chunk = winner.id / chunkSize;
    var next = Candidate(belowAll, noToken);
    for (var i = 0u; i < chunkSize / lanes; i++) {
      let id = chunk * chunkSize + i * lanes + lane;
      let value = clampLogit(logits[min(id, dims.vocab - 1u)]);
      if (id < dims.vocab && precedes(winner.value, winner.id, value, id)) {
        next = better(next, Candidate(value, id));
      }
    }
    let follower = best(lane, next);
    if (lane == chunk % lanes) {
      heads[chunk] = follower;
    }
  }
  if (lane == 0u) {
    results[record + 2u] = count;
  }
}

// Called by all lanes with the same token.
fn finish(lane: u32, token: u32) {
  let record = (step.index % dims.ringSlots) * recordWords;
  var logprob = noLogprob;
  if ((params.flags & wantsLogprobs) != 0u) {
    let normaliser = logNormaliser(lane);
    logprob = bitcast<u32>(clampLogit(logits[token]) - normaliser);
    writeAlternatives(lane, record, normaliser);
  } else if (lane == 0u) {
    results[record + 2u] = 0u;
  }
  if (lane == 0u) {
    results[record] = token;
    results[record + 1u] = logprob;
    tokens[0] = token;
    history[token] += 1u;
    step.position += 1u;
    step.index += 1u;
  }
}
