// The end of products by floats: an output of a row, or of a gate row and an up row.

// Rows of W that a team works on; past the end, the last one. Gated: gate rows first, then the up rows of the same
// outputs, half a matrix further down.
fn rowsOf(team: u32) -> vec4u {
  var rows = vec4u(0u, 1u, 2u, 3u) + team * rowsPerTeam;
  if (dims.finish == isGated) {
    let up = dims.rows / 2u;
    let output = team * (rowsPerTeam / 2u);
    rows = vec4u(output, output + up, 0u, 0u);
    if (rowsPerTeam == 4u) {
      rows = vec4u(output, output + 1u, output + up, output + 1u + up);
    }
  }
  return min(rows, vec4u(dims.rows - 1u));
}

// Writes a team's outputs from its complete sums.
fn finish(team: u32, sums: vec4f, squares: f32) {
  let rows = sums * factorOf(squares);
  if (dims.finish == isGated) {
    if (rowsPerTeam == 2u) {
      _ = writeGated(team, rows.x, rows.y);
    } else {
      _ = writeGated(2u * team, rows.x, rows.z);
      _ = writeGated(2u * team + 1u, rows.y, rows.w);
    }
    return;
  }
  let first = team * rowsPerTeam;
  _ = writeRow(first, rows.x);
  if (rowsPerTeam > 1u) {
    _ = writeRow(first + 1u, rows.y);
  }
  if (rowsPerTeam > 2u) {
    _ = writeRow(first + 2u, rows.z);
    _ = writeRow(first + 3u, rows.w);
  }
}
