/** Every kernel's declaration against its WGSL, and every kernel within WebGPU's default limits. */
import { describe, expect, test } from 'vitest';
import { prepareAttend } from './attend/attend.ts';
import { prepareAttendBlocks } from './attend/attend-blocks.ts';
import { prepareAttendSelected } from './attend/attend-selected.ts';
import { prepareAttendTail } from './attend/attend-tail.ts';
import { planSplit } from './attend/split-plan.ts';
import { prepareAttendPrefill } from './attend-prefill/attend-prefill.ts';
import { prepareHashKeys } from './hash-keys/hash-keys.ts';
import { prepareHashQuery } from './hash-query/hash-query.ts';
import { prepareMatMul } from './mat-mul/mat-mul.ts';
import { prepareMatVec } from './mat-vec/mat-vec.ts';
import { type BindingKind, type KernelDefinition, kernelCode } from './runtime/define-kernel.ts';
import { Gpu } from './runtime/gpu.ts';
import { prepareSelectTokens } from './select-tokens/select-tokens.ts';
import { componentWrites } from './testing/component-writes.ts';
import { openLimitedTestGpu, withGpu } from './testing/with-gpu.ts';

const modules = import.meta.glob(['./*/*.ts', '!./*/*.test.ts', '!./testing/*', '!./runtime/*'], {
  eager: true,
});
const files = import.meta.glob<string>('./*/*.wgsl', { eager: true, query: '?raw', import: 'default' });

const definitions = await Promise.all(
  definitionsIn(Object.values(modules)).map(async (definition) => ({
    ...definition,
    code: await kernelCode(definition),
  })),
);

/** Definitions among the exports: alone, in an object or in a Map, at any depth. */
function definitionsIn(value: unknown): KernelDefinition[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('sources' in value && 'bindings' in value) return [value as KernelDefinition];
  return (value instanceof Map ? [...value.values()] : Object.values(value)).flatMap(definitionsIn);
}

interface Binding {
  readonly binding: number;
  readonly name: string;
  readonly kind: BindingKind;
}

function bindingsOf(code: string): Binding[] {
  const pattern = /@group\(0\)\s*@binding\((\d+)\)\s*var<([^>]+)>\s*(\w+)\s*:/g;
  return [...code.matchAll(pattern)]
    .map(([, binding, access, name]) => ({ binding: Number(binding), name: name!, kind: kindOf(access!) }))
    .sort((a, b) => a.binding - b.binding);
}

function kindOf(access: string): BindingKind {
  if (access === 'uniform') return 'uniform';
  return access.includes('read_write') ? 'write' : 'read';
}

function declaredBindings({ bindings, uniforms }: KernelDefinition): Binding[] {
  const dims: Binding[] =
    Object.keys(uniforms).length > 0 ? [{ binding: 0, name: 'dims', kind: 'uniform' }] : [];
  return [
    ...dims,
    ...Object.entries(bindings).map(([name, kind], index) => ({ binding: index + 1, name, kind })),
  ];
}

/** Fields of `struct Dims` as [name, type]. */
function dimsOf(code: string): [string, string][] {
  const body = /struct Dims \{([^}]*)\}/.exec(code)?.[1] ?? '';
  return [...body.matchAll(/(\w+)\s*:\s*(\w+)/g)].map(([, name, type]) => [name!, type!]);
}

/** Names of the overrides without a default. */
function overridesOf(code: string): string[] {
  return [...code.matchAll(/override\s+(\w+)\s*:\s*\w+\s*;/g)].map(([, name]) => name!);
}

describe('declarations', () => {
  test('every WGSL file is part of a kernel, and names differ', () => {
    const codes = [...new Set(definitions.map(({ code }) => code))];
    const unused = Object.entries(files).filter(([, text]) => !codes.some((code) => code.includes(text)));
    expect(unused.map(([path]) => path)).toEqual([]);
    const names = definitions.map(({ name }) => name);
    expect(names.length).toBe(new Set(names).size);
    expect(names.length).toBeGreaterThan(40);
  });

  test.each(definitions)('$name binds and takes what its WGSL declares', (definition) => {
    const code = definition.code.replace(/\/\/.*$/gm, '');
    expect(bindingsOf(code)).toEqual(declaredBindings(definition));
    expect(dimsOf(code)).toEqual(Object.entries(definition.uniforms));
    expect(overridesOf(code).sort()).toEqual([...(definition.constants ?? [])].sort());
    expect(code.match(/@compute[^{]*\bfn main\(/g)).toHaveLength(1);
  });

  test('no kernel writes one component of a vector that invocations share', () => {
    const writes = definitions.flatMap(({ name, code }) =>
      componentWrites(code).map((write) => `${name}: ${write}`),
    );
    expect(writes).toEqual([]);
  });

  test.each([
    ['cells[i][lane % 4u] = x;', 'cells[i][lane % 4u]'],
    ['cells[at[i] + 1u].y += x;', 'cells[at[i] + 1u].y'],
    ['words[i].x |= 1u;', 'words[i].x'],
    ['found.y++;', 'found.y'],
    ['let to = &nested[i]; (*to)[2][1] = x;', 'nested[i][2][1]'],
    ['shares[i].sums.low[j] = x;', 'shares[i].sums.low[j]'],
    ['turns[i][1][j] -= x;', 'turns[i][1][j]'],
    ['cells[i] = vec4f(x); nested[i][2] += vec2f(x); shares[i].count += 1u; turns[i][1] = v;', null],
    ['if (cells[i].x == x && words[i].x <= 1u) { own.x = cells[i].y; mine.cells.x = x; }', null],
  ])('component writes of %s', (statements, write) => {
    const declarations = `
      struct Sums { high: vec4f, low: array<f32, 2>, } // the array is no vector
      struct Vectors { high: array<vec2f, 3>, low: vec4f }
      struct Share { count: u32, sums: Vectors }
      @group(0) @binding(1) var<storage, read_write> words: array<vec2u>;
      var<workgroup> cells: array<vec4<f32>, 8u * (lanes + 1u)>;
      var<workgroup> nested: array<array<vec2f, 9>, threads>;
      var<workgroup> shares: array<Share, 4>;
      var<workgroup> turns: array<mat2x2f, 4>;
      var<workgroup> plain: Sums;
      var<workgroup> found: vec2u;`;
    const code = `${declarations} fn f() { plain.low[0] = 1.0; ${statements} }`;
    expect(componentWrites(code)).toEqual(write === null ? [] : [write]);
  });
});

describe('WebGPU without extras', () => {
  const gpu = withGpu({ baseline: true });

  test('every kernel that asks for no feature compiles, on at most 8 storage buffers', async () => {
    const plain = definitions.filter(({ features = [] }) => features.length === 0);
    const reports = plain.map(async ({ name, code, bindings }) => {
      const module = gpu().device.createShaderModule({ label: name, code });
      const { messages } = await module.getCompilationInfo();
      const storage = Object.values(bindings).filter((kind) => kind !== 'uniform').length;
      return [
        ...messages.map(({ type, lineNum, message }) => `${name}: ${type} in line ${lineNum}: ${message}`),
        ...(storage > 8 ? [`${name} binds ${storage} storage buffers`] : []),
      ];
    });
    expect((await Promise.all(reports)).flat()).toEqual([]);
  });

  // Only creating a pipeline checks workgroup memory: the kernels that use most of it, at their largest.
  test('the largest workgroup variants fit the default limits', async () => {
    const variant = 'workgroup';
    const format = { kind: 'q4', groupSize: 32, scales: 'f32' } as const;
    const shape = {
      format,
      finish: 'gated',
      hasNorm: true,
      hasBias: true,
      rows: 32768,
      columns: 8192,
    } as const;
    await prepareAttend(gpu(), { headDim: 256, group: 8, variant });
    await prepareAttendTail(gpu(), { headDim: 256, group: 8, lists: 'kv-head', variant });
    await prepareAttendBlocks(gpu(), { headDim: 256, group: 8, lists: 'kv-head', variant });
    await prepareAttendPrefill(gpu(), 256, { variant });
    for (const headDim of [32, 256]) {
      const lists = { group: 8, lists: 'kv-head', bins: 1024 } as const;
      for (const tail of ['mean', 'blocks'] as const) {
        await prepareAttendSelected(gpu(), { headDim, ...lists, tail, variant });
      }
    }
    await prepareHashQuery(gpu(), { qHeads: 8, width: 256, variant });
    await prepareHashKeys(gpu(), { width: 256, variant });
    await prepareMatMul(gpu(), { kind: 'f32' }, { variant });
    await prepareMatVec(gpu(), shape, { variant, rowsPerTeam: 4, lanes: 64 });
    const bits = { score: { kind: 'hamming' }, summed: 15, words: 2, signatures: 'own' } as const;
    await prepareSelectTokens(gpu(), { ...bits, variant });
  }, 240_000); // many large pipelines: 45 s to compile on two busy cores
});

describe('WebGPU with subgroups', () => {
  const gpu = withGpu();

  test('attention in subgroups of 32 fits the default limits, and takes more workgroup memory where there is some', async () => {
    const limited = await openLimitedTestGpu();
    const traits = { ...limited.traits, subgroups: { min: 32, max: 32 } };
    const small = new Gpu(limited.device, traits);
    const shape = { headDim: 256, group: 8, variant: 'subgroup' } as const;
    await prepareAttend(small, shape);
    await prepareAttendSelected(small, { ...shape, lists: 'kv-head', bins: 1024, tail: 'blocks' });
    const dense = { headDim: 128, group: 4, listsPerKvHead: 1, isLong: true } as const;
    const threadsWith = (maxComputeWorkgroupStorageSize: number) => {
      const device = { limits: { maxComputeWorkgroupStorageSize }, lost: limited.lost } as GPUDevice;
      return planSplit(new Gpu(device, traits), 'subgroup', dense).constants.threads;
    };
    expect([threadsWith(2 ** 14), threadsWith(2 ** 15)]).toEqual([128, 256]);
    limited.dispose();
  }, 120_000); // pipelines compile for seconds each

  test('every kernel that asks for subgroups compiles where there are any', async () => {
    const kernels = definitions.filter(({ features }) => features?.includes('subgroups'));
    expect(kernels.length).toBeGreaterThan(0);
    const isOffered = gpu().traits.subgroups !== null;
    for (const { name, code } of isOffered ? kernels : []) {
      const module = gpu().device.createShaderModule({ label: name, code });
      const { messages } = await module.getCompilationInfo();
      expect(messages.map(({ message, lineNum }) => `${name}: line ${lineNum}: ${message}`)).toEqual([]);
    }
  });
});
