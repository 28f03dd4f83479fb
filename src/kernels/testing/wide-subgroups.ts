/** Kernels for larger subgroups than the device has: the CI's adapter has four lanes, graphics cards 8 to 64. */
import { invariant } from '../../errors.ts';
import { kernelCode } from '../runtime/define-kernel.ts';
import { Gpu } from '../runtime/gpu.ts';

/** Operations through workgroup memory, as words; `SIZE` invocations are a subgroup. */
const operations = `
var<private> ownLane: u32;
var<workgroup> exchanged: array<vec4u, 256>;
fn leave(value: vec4u) {
  workgroupBarrier();
  exchanged[ownLane] = value;
  workgroupBarrier();
}
fn left(lane: u32) -> vec4u {
  return exchanged[ownLane / SIZEu * SIZEu + lane];
}
fn exchanged4(value: vec4f, mask: u32) -> vec4f {
  return bitcast<vec4f>(exchangedWords(bitcast<vec4u>(value), mask));
}
fn exchanged2(value: vec2f, mask: u32) -> vec2f {
  return exchanged4(value.xyxy, mask).xy;
}
fn exchangedWords(value: vec4u, mask: u32) -> vec4u {
  leave(value);
  return left((ownLane % SIZEu) ^ mask);
}
fn exchangedPair(value: vec2u, mask: u32) -> vec2u {
  return exchangedWords(value.xyxy, mask).xy;
}
fn exchangedFloat(value: f32, mask: u32) -> f32 {
  return exchanged4(vec4f(value), mask).x;
}
fn exchangedWord(value: u32, mask: u32) -> u32 {
  return exchangedWords(vec4u(value), mask).x;
}
fn largestOf(value: u32) -> u32 {
  leave(vec4u(value));
  var largest = 0u;
  for (var lane = 0u; lane < SIZEu; lane++) { largest = max(largest, left(lane).x); }
  return largest;
}
fn ballotOf(isSet: bool) -> vec4u {
  leave(vec4u(u32(isSet)));
  var marks = vec4u(0u);
  for (var lane = 0u; lane < SIZEu; lane++) { marks[lane / 32u] |= left(lane).x << (lane % 32u); }
  return marks;
}`;

/** What takes the place of an operation, wherever a kernel's text has it. */
const replacements: readonly (readonly [string, string])[] = [
  ['subgroupShuffleXor(own, 1u << exchange)', 'exchangedPair(own, 1u << exchange)'],
  ['subgroupShuffleXor(ofTeam, 1u << i)', 'exchangedWord(ofTeam, 1u << i)'],
  ['subgroupShuffleXor(own, ', 'exchanged4(own, '],
  ['subgroupShuffleXor(select(values', 'exchanged2(select(values'],
  ['subgroupShuffleXor(select(sums', 'exchanged2(select(sums'],
  ['subgroupShuffleXor(select(pair', 'exchangedFloat(select(pair'],
  ['subgroupShuffleXor(sum, ', 'exchangedFloat(sum, '],
  ['subgroupShuffleXor(squares, ', 'exchangedFloat(squares, '],
  ['subgroupShuffleXor(within, mask)', 'exchangedWords(within, mask)'],
  ['subgroupAdd(1u)', 'SIZEu'],
  ['subgroupMax(', 'largestOf('],
  ['subgroupBallot(', 'ballotOf('],
];

/** The same device, taken to have subgroups of `size`: operations go through workgroup memory, which all invocations reach
 *  together. Quad operations stay: a quad fits any subgroup. */
export function withWideSubgroups(gpu: Gpu, size: number): Gpu {
  const wide = new Gpu(gpu.device, { ...gpu.traits, subgroups: { min: size, max: size } });
  const get = wide.pipelines.get.bind(wide.pipelines);
  wide.pipelines.get = async (definition, constants) =>
    get({ ...definition, sources: [throughMemory(await kernelCode(definition), size)] }, constants);
  return wide;
}

function throughMemory(source: string, size: number): string {
  if (!/subgroup[A-Z]\w*\(/.test(source)) return source;
  let rewritten = source.replace(/local_invocation_index\) (\w+): u32,?\s*\) \{/, '$&\n  ownLane = $1;');
  invariant(/ownLane = \w+;/.test(rewritten), 'a main that this test support does not know');
  for (const [operation, instead] of replacements) rewritten = rewritten.replaceAll(operation, instead);
  const unknown = /subgroup[A-Z]\w*\([^)]*\)/.exec(rewritten)?.[0];
  invariant(!unknown, `an operation that this test support does not know: ${unknown}`);
  return (rewritten + operations).replaceAll('SIZEu', `${size}u`);
}
