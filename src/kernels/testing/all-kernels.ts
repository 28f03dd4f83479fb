import { type KernelDefinition, kernelCode } from '../runtime/define-kernel.ts';

export interface KernelWithCode extends KernelDefinition {
  readonly code: string;
}

const modules = import.meta.glob(['../*/*.ts', '!../*/*.test.ts', '!../testing/*', '!../runtime/*'], {
  eager: true,
});

/** Every kernel there is, with its WGSL. */
export async function allKernels(): Promise<readonly KernelWithCode[]> {
  const definitions = definitionsIn(Object.values(modules));
  return Promise.all(
    definitions.map(async (definition) => ({ ...definition, code: await kernelCode(definition) })),
  );
}

/** Definitions among the exports: alone, in an object or in a Map, at any depth. */
function definitionsIn(value: unknown): KernelDefinition[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('sources' in value && 'bindings' in value) return [value as KernelDefinition];
  return (value instanceof Map ? [...value.values()] : Object.values(value)).flatMap(definitionsIn);
}
