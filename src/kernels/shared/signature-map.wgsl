// Arithmetic of the signature maps: stages of linear maps with SiLU between. Every kernel adds in one order, so that a
// key gets the same bits whether it is hashed alone in decode or in bulk: a row is
//   ((s[0] + s[1]) + (s[2] + s[3])) + bias,   s[l] = part[l] + part[l + 4],
//   part[l] = Σ w · x over the octets (eight columns) o with o mod 8 = l, by fma, 0 where there are none.
// Weights: f16 [heads, outputs, inputs rounded up to 8] per stage, stage after stage, an octet to a vec4u.
// Widths: the input's, then every stage's output, ended by a zero or by 16 numbers; queries first, then keys.
const maxStages = 15u;
const mapLanes = 8u;
const ofQuery = 0u;
const ofKey = 1u;

@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<uniform> widths: array<vec4u, 8>;

fn widthAt(kind: u32, index: u32) -> u32 {
  let at = 16u * kind + index;
  return select(widths[at / 4u][at % 4u], 0u, index > maxStages);
}

// Four rows' sums, each with the products of one octet added in order of columns; low and high are its inputs.
fn addOctet(sums: vec4f, w0: vec4u, w1: vec4u, w2: vec4u, w3: vec4u, low: vec4f, high: vec4f) -> vec4f {
  let a = pairsOf(w0.x, w1.x, w2.x, w3.x);
  let b = pairsOf(w0.y, w1.y, w2.y, w3.y);
  let c = pairsOf(w0.z, w1.z, w2.z, w3.z);
  let d = pairsOf(w0.w, w1.w, w2.w, w3.w);
  var sum = fma(a.first, vec4f(low.x), sums);
  sum = fma(a.second, vec4f(low.y), sum);
  sum = fma(b.first, vec4f(low.z), sum);
  sum = fma(b.second, vec4f(low.w), sum);
  sum = fma(c.first, vec4f(high.x), sum);
  sum = fma(c.second, vec4f(high.y), sum);
  sum = fma(d.first, vec4f(high.z), sum);
  return fma(d.second, vec4f(high.w), sum);
}

struct Pairs { first: vec4f, second: vec4f }

fn pairsOf(a: u32, b: u32, c: u32, d: u32) -> Pairs {
  let x = unpack2x16float(a);
  let y = unpack2x16float(b);
  let z = unpack2x16float(c);
  let w = unpack2x16float(d);
  return Pairs(vec4f(x.x, y.x, z.x, w.x), vec4f(x.y, y.y, z.y, w.y));
}

// exp(80) is finite in f32; below −80 silu is under 2e-33 in size.
fn silu(x: vec4f) -> vec4f {
  return x / (1.0 + exp(min(-x, vec4f(80.0))));
}

// Which elements are positive, the first in the lowest bit.
fn signBits(values: vec4f) -> u32 {
  return bitsOf(values > vec4f(0.0));
}

fn bitsOf(isSet: vec4<bool>) -> u32 {
  return dot(select(vec4u(0u), vec4u(1u, 2u, 4u, 8u), isSet), vec4u(1u));
}
