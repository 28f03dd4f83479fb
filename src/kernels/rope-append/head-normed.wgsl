// Elements of a query or key head after its RMS norm: x / sqrt(mean(x²) + eps) · weight, as in Qwen 3.
// queryNorm, keyNorm: f32 [headDim].
@group(0) @binding(7) var<storage, read> queryNorm: array<f32>;
@group(0) @binding(8) var<storage, read> keyNorm: array<f32>;

var<workgroup> squares: array<f32, lanes>;
var<private> factor: f32;
var<private> isQueryHead: bool;

fn readHead(input: u32, isQuery: bool, lane: u32) {
  var sum = 0.0;
  for (var d = lane; d < dims.headDim; d += lanes) {
    sum += qkv[input + d] * qkv[input + d];
  }
  squares[lane] = sum;
  workgroupBarrier();
  var total = 0.0;
  for (var i = 0u; i < lanes; i++) {
    total += squares[i];
  }
  factor = inverseSqrt(total / f32(dims.headDim) + dims.eps);
  isQueryHead = isQuery;
}

fn elementAt(input: u32, d: u32) -> f32 {
  return qkv[input + d] * factor * select(keyNorm[d], queryNorm[d], isQueryHead);
}
