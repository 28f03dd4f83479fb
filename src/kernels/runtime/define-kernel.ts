/** A kernel's declaration: WGSL files, named bindings, named uniforms, named override constants.
 *
 *  Kernel modules export their definitions. WGSL side of the contract, checked by a test over every kernel:
 *  - `@group(0) @binding(0) var<uniform> dims: Dims;` where `struct Dims` has exactly the declared uniforms,
 *    in order (omitted when the kernel declares none);
 *  - then the declared bindings, in order, from `@binding(1)`;
 *  - the entry point is `main`. */
import { AppError, invariant } from '../../errors.ts';
import type { Arena } from './arena.ts';
import type { Dispatch, Grid } from './dispatch.ts';
import type { Gpu } from './gpu.ts';
import type { BufferSlice } from './tensor.ts';

/** 'read': read-only storage; 'write': read-write storage; 'uniform': a uniform buffer shared between kernels. */
export type BindingKind = 'read' | 'write' | 'uniform';
export type UniformType = 'u32' | 'i32' | 'f32';

/** A whole WGSL file: its text, or, where most devices never run it, how to load it. */
export type KernelSource = string | (() => Promise<{ readonly default: string }>);

export interface KernelDefinition<
  B extends Record<string, BindingKind> = Record<string, BindingKind>,
  U extends Record<string, UniformType> = Record<string, UniformType>,
> {
  readonly name: string;
  /** Joined in order: shared ones first, the kernel's own last. */
  readonly sources: readonly KernelSource[];
  readonly bindings: B;
  readonly uniforms: U;
  /** Names of the `override` constants a caller must give. */
  readonly constants?: readonly string[];
  readonly features?: readonly GPUFeatureName[];
}

export interface DispatchArgs<B, U> {
  /** Path of the result in our records, e.g. `layer[3].query`; appears in GPU errors, taps and profiles. */
  readonly label: string;
  readonly bindings: { readonly [K in keyof B]: BufferSlice };
  readonly uniforms: { readonly [K in keyof U]: number };
  readonly workgroups: Grid;
  /** Bytes the dispatch must move at least (weights, cache, inputs, outputs), for profiles. */
  readonly bytes?: number;
}

/** A compiled kernel: turns arguments into a dispatch, without waiting. */
export interface Kernel<B extends Record<string, BindingKind>, U extends Record<string, UniformType>> {
  readonly name: string;
  dispatch(arena: Arena, args: DispatchArgs<B, U>): Dispatch;
}

/** Gives a definition its exact type. */
export function defineKernel<
  const B extends Record<string, BindingKind>,
  const U extends Record<string, UniformType>,
>(definition: KernelDefinition<B, U>): KernelDefinition<B, U> {
  return definition;
}

/** The WGSL of a kernel.
 *  @throws AppError "download-failed" when a part of it cannot be fetched. */
export async function kernelCode({
  name,
  sources,
}: Pick<KernelDefinition, 'name' | 'sources'>): Promise<string> {
  try {
    const texts = sources.map(async (source) =>
      typeof source === 'string' ? source : (await source()).default,
    );
    return (await Promise.all(texts)).join('\n');
  } catch (cause) {
    throw new AppError(
      'download-failed',
      `The shader ${name} could not be fetched (${String(cause)}). Check the connection, then reload the page.`,
      { cause },
    );
  }
}

/** Compiles a kernel for given override constants; cached by source and constants. */
export async function prepareKernel<
  B extends Record<string, BindingKind>,
  U extends Record<string, UniformType>,
>(
  gpu: Gpu,
  definition: KernelDefinition<B, U>,
  constants: Readonly<Record<string, number>> = {},
): Promise<Kernel<B, U>> {
  for (const name of definition.constants ?? []) {
    invariant(name in constants, `kernel ${definition.name} needs the constant ${name}`);
  }
  const pipeline = await gpu.pipelines.get(definition, constants);
  const uniformNames = Object.keys(definition.uniforms);
  const bindingNames = Object.keys(definition.bindings);
  return {
    name: definition.name,
    dispatch(arena, args) {
      const entries: GPUBindGroupEntry[] = [];
      if (uniformNames.length > 0) {
        const block = arena.uniform(`${args.label}.dims`, packUniforms(definition, args.uniforms));
        entries.push({ binding: 0, resource: { buffer: block } });
      }
      bindingNames.forEach((name, index) => {
        const slice = args.bindings[name];
        invariant(slice, `${definition.name} (${args.label}): binding ${name} is missing`);
        entries.push({ binding: index + 1, resource: resourceOf(slice) });
      });
      const bindGroup = gpu.device.createBindGroup({ label: args.label, layout: pipeline.layout, entries });
      return {
        label: args.label,
        kernel: definition.name,
        pipeline: pipeline.pipeline,
        bindGroup,
        workgroups: args.workgroups,
        bytes: args.bytes ?? 0,
      };
    },
  };
}

function resourceOf(slice: BufferSlice): GPUBufferBinding {
  const binding: GPUBufferBinding = { buffer: slice.buffer };
  if (slice.offset !== undefined) binding.offset = slice.offset;
  if (slice.size !== undefined) binding.size = slice.size;
  return binding;
}

function packUniforms(definition: KernelDefinition, values: Readonly<Record<string, number>>): ArrayBuffer {
  const names = Object.keys(definition.uniforms);
  const block = new ArrayBuffer(Math.ceil((names.length * 4) / 16) * 16);
  const view = new DataView(block);
  names.forEach((name, index) => {
    const value = values[name];
    const type = definition.uniforms[name];
    invariant(
      value !== undefined && !Number.isNaN(value),
      `${definition.name}: uniform ${name} must be a number, got ${value}`,
    );
    if (type === 'f32') view.setFloat32(index * 4, value, true);
    else if (type === 'i32') view.setInt32(index * 4, value, true);
    else view.setUint32(index * 4, value, true);
  });
  return block;
}
