// The functions between and after the stages of a map, by number.
const silu = 0u;
const tanhOf = 1u; // tanh(β · x)
const sign = 2u;   // 1 where x > 0, else −1: the bit itself

// exp(80) is finite in f32, and tanh is ±1 long before.
fn logistic(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(min(-x, 80.0)));
}

fn tanhSafe(x: f32) -> f32 {
  return 2.0 * logistic(2.0 * x) - 1.0;
}
