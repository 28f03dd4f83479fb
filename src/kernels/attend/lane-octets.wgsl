// What a lane holds of rows of K, V and sums: one octet of dimensions, or two; and the arithmetic on it. Four
// query heads go together: a head is a component of every vector, and in a mat4x4f each column is a dimension.
// octets: an override of attend-split.wgsl.

// Eight dimensions of four heads.
struct Octet {
  low: mat4x4f,
  high: mat4x4f,
}

// A lane's octets by name: an array indexed at run time would not stay in registers. `far` is used where there are two.
struct Octets {
  near: Octet,
  far: Octet,
}

struct Row {
  near: vec4u,
  far: vec4u,
}

// Component i, chosen, not indexed: see Octets.
fn componentFor(values: vec4f, i: u32) -> f32 {
  let pair = select(values.xy, values.zw, i >= 2u);
  return select(pair.x, pair.y, i % 2u == 1u);
}

fn lowHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn highHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.z), unpack2x16float(words.w));
}

// sums + weights · value, dimension by dimension.
fn withHalf(sums: mat4x4f, weights: vec4f, value: vec4f) -> mat4x4f {
  return mat4x4f(
    fma(weights, vec4f(value.x), sums[0]),
    fma(weights, vec4f(value.y), sums[1]),
    fma(weights, vec4f(value.z), sums[2]),
    fma(weights, vec4f(value.w), sums[3]),
  );
}

fn withToken(sums: Octet, weights: vec4f, value: vec4u) -> Octet {
  return Octet(withHalf(sums.low, weights, lowHalf(value)), withHalf(sums.high, weights, highHalf(value)));
}

// sums + Σ weights · value over four tokens.
fn accumulated(sums: Octet, w: mat4x4f, value0: vec4u, value1: vec4u, value2: vec4u, value3: vec4u) -> Octet {
  return withToken(withToken(withToken(withToken(sums, w[0], value0), w[1], value1), w[2], value2), w[3], value3);
}

fn scaled(sums: Octet, factors: vec4f) -> Octet {
  return Octet(
    mat4x4f(sums.low[0] * factors, sums.low[1] * factors, sums.low[2] * factors, sums.low[3] * factors),
    mat4x4f(sums.high[0] * factors, sums.high[1] * factors, sums.high[2] * factors, sums.high[3] * factors),
  );
}
