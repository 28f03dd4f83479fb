// Outputs are also left as the next 4-bit product reads them: times nextGain, in octets, which a workgroup makes whole.
override scalesOutputs: bool;

@group(0) @binding(7) var<storage, read> nextGain: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> packedOut: array<u32>;

var<workgroup> made: array<f32, 4u * teams>;

// output: counted within the workgroup.
fn keepOutput(output: u32, value: f32) {
  made[output] = value;
}

// Into the layout of packed-inputs.ts; squares: of the octet's values before their gain.
fn storeOctet(octet: u32, packed: PackedOctet, squares: f32) {
  let blocks = dims.outBlocks;
  let block = octet / 4u;
  let word = octet % 4u;
  let at = 4u * (word * blocks + block);
  packedOut[at] = packed.bytes.x;
  packedOut[at + 1u] = packed.bytes.y;
  packedOut[at + 2u] = packed.bytes.z;
  packedOut[at + 3u] = packed.bytes.w;
  packedOut[4u * (4u * blocks + block) + word] = bitcast<u32>(packed.step);
  packedOut[4u * (5u * blocks + block) + word] = bitcast<u32>(packed.sum);
  packedOut[4u * (6u * blocks + block) + word] = bitcast<u32>(squares);
}

fn packOutputs(firstTeam: u32, local: u32) {
  workgroupBarrier();
  let perTeam = select(4u, 2u, finishKind == isGated);
  let first = firstTeam * perTeam + 8u * local;
  if (8u * local >= teams * perTeam || first >= dims.rows * perTeam / 4u) {
    return;
  }
  let at = 8u * local;
  var a = vec4f(made[at], made[at + 1u], made[at + 2u], made[at + 3u]);
  var b = vec4f(made[at + 4u], made[at + 5u], made[at + 6u], made[at + 7u]);
  let squares = dot(a, a) + dot(b, b);
  let octet = (dims.firstOut + first) / 8u;
  if (scalesOutputs) {
    a *= nextGain[2u * octet];
    b *= nextGain[2u * octet + 1u];
  }
  storeOctet(octet, packOctet(a, b), squares);
}
