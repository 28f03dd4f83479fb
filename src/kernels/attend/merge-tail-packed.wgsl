// Where attend-merge.wgsl leaves its result packed, behind the bindings of merge-tail.wgsl.
@group(0) @binding(7) var<storage, read_write> packedOut: array<u32>;
