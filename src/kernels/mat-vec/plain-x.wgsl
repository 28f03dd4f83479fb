// x: f32 [columns, padded with zeros to 32 · blocks].
@group(0) @binding(3) var<storage, read> x: array<vec4f>;
