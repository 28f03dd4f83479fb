/** Kernels for larger subgroups than the device has: the CI's adapter has four lanes, graphics cards 8 to 64. */
import { invariant } from '../../errors.ts';
import { Gpu } from '../runtime/gpu.ts';

const exchanges = `
var<private> ownLane: u32;
var<workgroup> exchanged: array<vec4f, 256>;
fn exchanged4(value: vec4f, mask: u32) -> vec4f {
  workgroupBarrier();
  exchanged[ownLane] = value;
  workgroupBarrier();
  return exchanged[ownLane ^ mask];
}
fn exchanged2(value: vec2f, mask: u32) -> vec2f {
  return exchanged4(value.xyxy, mask).xy;
}`;

/** The same device, taken to have subgroups of `size`: shuffles of attention's splits go through workgroup memory, which
 *  all invocations reach together. Quad operations stay: a quad fits any subgroup. */
export function withWideSubgroups(gpu: Gpu, size: number): Gpu {
  const wide = new Gpu(gpu.device, { ...gpu.traits, subgroups: { min: size, max: size } });
  const get = wide.pipelines.get.bind(wide.pipelines);
  wide.pipelines.get = (definition, constants) =>
    get({ ...definition, sources: [throughMemory(definition.sources.join('\n'))] }, constants);
  return wide;
}

function throughMemory(source: string): string {
  if (!source.includes('subgroupShuffleXor')) return source;
  const rewritten = source
    .replace('subgroupShuffleXor(own, mask)', 'exchanged4(own, mask)')
    .replace('subgroupShuffleXor(select(values', 'exchanged2(select(values')
    .replace('local_invocation_index) thread: u32) {', '$&\n  ownLane = thread;');
  invariant(!rewritten.includes('subgroupShuffleXor'), 'a shuffle that this test support does not know');
  invariant(rewritten.includes('ownLane = thread'), 'a main that this test support does not know');
  return rewritten + exchanges;
}
