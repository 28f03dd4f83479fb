// Two dimensions of a cached key or value. keys, values: packed f16 [kvHeads, capacity, headDim], a word to two dimensions.
@group(0) @binding(2) var<storage, read> keys: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<u32>;

fn wordOf(isValue: bool, at: u32) -> vec2f {
  if (isValue) { return unpack2x16float(values[at]); }
  return unpack2x16float(keys[at]);
}
