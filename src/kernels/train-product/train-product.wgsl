// out[batch, m, n] = Σₖ A[batch](m, k) · B[batch](n, k): a product of matrices lying any way, told by their strides.
// The depth k may be cut into splits, each with an output of its own, to be added afterwards in a fixed order.
// An operand may have one more index (`ones`) where it reads 1 everywhere: then a map's bias is a column of its matrix.
// This file: bindings and output. train-product-tile.wgsl and train-product-serial.wgsl are the parallel schemes.
struct Dims {
  rows: u32,
  columns: u32,
  depth: u32,
  depthPerSplit: u32,
  splits: u32,
  leftOffset: u32,
  leftBatch: u32, // elements between matrices
  leftShare: u32, // neighbouring batches that read the same matrix
  leftRow: u32,
  leftDepth: u32,
  leftOnes: u32, // the k at which A reads 1
  rightOffset: u32,
  rightBatch: u32,
  rightShare: u32,
  rightColumn: u32,
  rightDepth: u32,
  rightOnes: u32, // the n at which B reads 1
  outOffset: u32,
  outBatch: u32,
  outRow: u32,
  outSplit: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> left: array<f32>;
@group(0) @binding(2) var<storage, read> right: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn store(base: u32, m: u32, n: u32, sums: vec4f) {
  if (m >= dims.rows) { return; }
  let at = base + m * dims.outRow + n;
  if (n < dims.columns) { out[at] = sums.x; }
  if (n + 1u < dims.columns) { out[at + 1u] = sums.y; }
  if (n + 2u < dims.columns) { out[at + 2u] = sums.z; }
  if (n + 3u < dims.columns) { out[at + 3u] = sums.w; }
}
