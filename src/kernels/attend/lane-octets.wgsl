// What a lane holds of rows of K, V, queries and sums: one octet of dimensions, or two; and the arithmetic on it. Four
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

fn lowHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn highHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.z), unpack2x16float(words.w));
}

fn dots(queries: Octets, key: Row) -> vec4f {
  var sum = queries.near.low * lowHalf(key.near) + queries.near.high * highHalf(key.near);
  if (octets > 1u) {
    sum += queries.far.low * lowHalf(key.far) + queries.far.high * highHalf(key.far);
  }
  return sum;
}

fn outer(weights: vec4f, value: vec4f) -> mat4x4f {
  return mat4x4f(weights * value.x, weights * value.y, weights * value.z, weights * value.w);
}

// sums + Σ weights · value over four tokens.
fn accumulated(sums: Octet, w: mat4x4f, value0: vec4u, value1: vec4u, value2: vec4u, value3: vec4u) -> Octet {
  return Octet(
    sums.low + (outer(w[0], lowHalf(value0)) + outer(w[1], lowHalf(value1))
      + outer(w[2], lowHalf(value2)) + outer(w[3], lowHalf(value3))),
    sums.high + (outer(w[0], highHalf(value0)) + outer(w[1], highHalf(value1))
      + outer(w[2], highHalf(value2)) + outer(w[3], highHalf(value3))),
  );
}

fn scaled(sums: Octet, factors: vec4f) -> Octet {
  return Octet(
    mat4x4f(sums.low[0] * factors, sums.low[1] * factors, sums.low[2] * factors, sums.low[3] * factors),
    mat4x4f(sums.high[0] * factors, sums.high[1] * factors, sums.high[2] * factors, sums.high[3] * factors),
  );
}
