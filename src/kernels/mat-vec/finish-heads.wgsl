// The end of products by floats whose rows are heads of query, key and value: a team of four rows takes two neighbouring
// elements of a head and the two half a head on. Without bias: it would be a ninth storage buffer, and WebGPU promises eight.
@group(0) @binding(4) var<storage, read> angles: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> keyCache: array<u32>;
@group(0) @binding(8) var<storage, read_write> valueCache: array<u32>;

// Of a team: its head in this part, and the first of its elements.
fn placeOf(team: u32) -> vec2u {
  let teams = dims.headDim / 4u;
  return vec2u(team / teams, team % teams * 2u);
}

// Rows of W that a team works on; past the end, the last one.
fn rowsOf(team: u32) -> vec4u {
  let place = placeOf(team);
  let half = dims.headDim / 2u;
  let rows = place.x * dims.headDim + place.y + vec4u(0u, 1u, half, half + 1u);
  return min(rows, vec4u(dims.rows - 1u));
}

fn finish(team: u32, sums: vec4f, squares: f32) {
  if (4u * team >= dims.rows) {
    return;
  }
  let rows = sums * factorOf(squares);
  let place = placeOf(team);
  let head = dims.firstHead + place.x;
  leaveElements(head, place.y, rotated(head, place.y, rows.xy, rows.zw, false));
  leaveElements(head, place.y + dims.headDim / 2u, rotated(head, place.y, rows.xy, rows.zw, true));
}

fn anglesAt(index: u32) -> vec4f {
  return angles[index];
}

fn leaveKeys(at: u32, word: u32) {
  keyCache[at] = word;
}

fn leaveValues(at: u32, word: u32) {
  valueCache[at] = word;
}
