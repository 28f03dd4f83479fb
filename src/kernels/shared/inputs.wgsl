// 32 consecutive inputs of a product: what a block of 32 columns of a row meets.
struct Inputs {
  v0: vec4f, v1: vec4f, v2: vec4f, v3: vec4f, v4: vec4f, v5: vec4f, v6: vec4f, v7: vec4f,
}

fn sumOf(x: Inputs) -> f32 {
  return dot(((x.v0 + x.v1) + (x.v2 + x.v3)) + ((x.v4 + x.v5) + (x.v6 + x.v7)), vec4f(1.0));
}
