// Adjusted logits, four neighbours at a time.
const quadsPerChunk = chunkSize / 4u;

// Those after the last token are no tokens: keysOf tells.
fn quadAt(quad: u32) -> vec4f {
  return adjusted[min(quad, (dims.vocab - 1u) / 4u)];
}

// Keys of four tokens; after the last one, the end of all keys.
fn keysOf(quad: u32, values: vec4f, largest: f32) -> vec4u {
  let ids = 4u * quad + vec4u(0u, 1u, 2u, 3u);
  return select(vec4u(endOfKeys), bitcast<vec4u>(vec4f(largest) - values), ids < vec4u(dims.vocab));
}
