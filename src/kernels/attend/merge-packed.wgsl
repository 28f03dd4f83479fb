// Where attend-merge.wgsl leaves its result packed.
@group(0) @binding(3) var<storage, read_write> packedOut: array<u32>;
