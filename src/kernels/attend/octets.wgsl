// Arithmetic of attend-split.wgsl: a head is a component of every vector, a dimension a column of every matrix.

// Eight dimensions of four heads.
struct Octet {
  low: mat4x4f,
  high: mat4x4f,
}

fn lowHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn highHalf(words: vec4u) -> vec4f {
  return vec4f(unpack2x16float(words.z), unpack2x16float(words.w));
}

// columns · factors + sum
fn fmaColumns(columns: mat4x4f, factors: vec4f, sum: vec4f) -> vec4f {
  let half = fma(columns[1], vec4f(factors.y), fma(columns[0], vec4f(factors.x), sum));
  return fma(columns[3], vec4f(factors.w), fma(columns[2], vec4f(factors.z), half));
}

fn dots(queries: Octet, key: vec4u, sum: vec4f) -> vec4f {
  return fmaColumns(queries.high, highHalf(key), fmaColumns(queries.low, lowHalf(key), sum));
}

// Adds four tokens' values, each weighted per head, dimension by dimension.
fn addValues(sums: mat4x4f, weights: mat4x4f, a: vec4f, b: vec4f, c: vec4f, d: vec4f) -> mat4x4f {
  return mat4x4f(
    fmaColumns(weights, vec4f(a.x, b.x, c.x, d.x), sums[0]),
    fmaColumns(weights, vec4f(a.y, b.y, c.y, d.y), sums[1]),
    fmaColumns(weights, vec4f(a.z, b.z, c.z, d.z), sums[2]),
    fmaColumns(weights, vec4f(a.w, b.w, c.w, d.w), sums[3]),
  );
}

fn scaled(sums: mat4x4f, factors: vec4f) -> mat4x4f {
  return mat4x4f(sums[0] * factors, sums[1] * factors, sums[2] * factors, sums[3] * factors);
}

// Components 0 and 1, or 2 and 3: chosen, not indexed, so that what it chooses from stays in registers.
fn pairOf(values: vec4f, pair: u32) -> vec2f {
  return select(values.xy, values.zw, pair == 1u);
}
