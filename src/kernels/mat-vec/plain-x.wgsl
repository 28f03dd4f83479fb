// x and gain: f32 [columns, padded with zeros to 32 · blocks].
override hasNorm: bool;

@group(0) @binding(3) var<storage, read> x: array<vec4f>;
@group(0) @binding(6) var<storage, read> gain: array<vec4f>;
