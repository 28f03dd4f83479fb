// What the tiled schemes share: the tile, and how fours of tokens and rows are read into it.
var<workgroup> tile: array<vec4f, 1024>;

// Four columns of a token: zero beyond the matrix's columns.
fn loadInput(token: u32, quad: u32) -> vec4f {
  return first(max(dims.columns, 4u * quad) - 4u * quad, x[inputStart(token) + quad]);
}

fn loadWeights(row: u32, quad: u32) -> vec4f {
  let inside = min(row, dims.rows - 1u);
  return weights4(inside * dims.quads + quad, scaleOf(inside * groupsPerRow(dims.quads / 8u), quad / 8u));
}

// Four tokens or rows by four columns: one token or row per column of the result.
fn loadBlock(side: u32, at: u32, quad: u32) -> mat4x4f {
  if (side == 0u) {
    return mat4x4f(loadInput(at, quad), loadInput(at + 1u, quad), loadInput(at + 2u, quad), loadInput(at + 3u, quad));
  }
  return mat4x4f(
    loadWeights(at, quad),
    loadWeights(at + 1u, quad),
    loadWeights(at + 2u, quad),
    loadWeights(at + 3u, quad),
  );
}
