// Four invocations that hand each other what they read: for CPU adapters, where a load costs more than what is done with it.

// Which of its quad an invocation is.
fn placeInQuad(lane: u32) -> u32 {
  let quad = vec4u(quadBroadcast(lane, 0u), quadBroadcast(lane, 1u), quadBroadcast(lane, 2u), quadBroadcast(lane, 3u));
  return dot(vec4u(quad == vec4u(lane)), vec4u(0u, 1u, 2u, 3u));
}
