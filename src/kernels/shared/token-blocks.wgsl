// Sums of K and V are kept per block of tokens: f32 [kvHeads, blocks, 2, headDim], K then V.
const blockTokens = 1024u;

// Two dimensions of a token's K and V, or of sums of them.
struct RowPair {
  key: vec2f,
  value: vec2f,
}
