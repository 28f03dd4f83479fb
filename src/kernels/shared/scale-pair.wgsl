// Scale and bias of a group of weights that are quantised in `scales`, a u32 binding: one pair per group, two halves of a
// u32, or two f32.
override wideScales: bool;

fn scalePair(group: u32) -> vec2f {
  var pair: vec2f;
  if (wideScales) {
    pair = vec2f(bitcast<f32>(scales[2u * group]), bitcast<f32>(scales[2u * group + 1u]));
  } else {
    pair = unpack2x16float(scales[group]);
  }
  return pair;
}
