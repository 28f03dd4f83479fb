// Eight weights of a row against eight inputs: q4, affine per group, w = scale · q + bias.
// weights: u32 [rows, octets]: nibble j of a word is column 8 · octet + j.
// scales: one (scale, bias) pair per group: an f16 pair in a u32, or two f32.
override groupShift: u32; // log2(groupSize / 8)
override wideScales: bool;

@group(0) @binding(1) var<storage, read> weights: array<u32>;
@group(0) @binding(2) var<storage, read> scales: array<u32>;

struct PackedOctet {
  words: u32,
  scale: f32,
  bias: f32,
}

fn loadOctet(row: u32, octet: u32, octets: u32) -> PackedOctet {
  let group = row * (((octets - 1u) >> groupShift) + 1u) + (octet >> groupShift);
  var pair: vec2f;
  if (wideScales) {
    pair = vec2f(bitcast<f32>(scales[2u * group]), bitcast<f32>(scales[2u * group + 1u]));
  } else {
    pair = unpack2x16float(scales[group]);
  }
  return PackedOctet(weights[row * octets + octet], pair.x, pair.y);
}

// sum: of the eight inputs.
fn dotOctet(weight: PackedOctet, a: vec4f, b: vec4f, sum: f32) -> f32 {
  let even = vec4f(unpack4xU8(weight.words & 0x0f0f0f0fu));
  let odd = vec4f(unpack4xU8((weight.words >> 4u) & 0x0f0f0f0fu));
  return weight.scale * (dot(even, vec4f(a.xz, b.xz)) + dot(odd, vec4f(a.yw, b.yw))) + weight.bias * sum;
}
