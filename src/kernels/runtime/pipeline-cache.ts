/** Compiles each (WGSL text, constants) pair once; a second request waits for the first. */
import { invariant } from '../../errors.ts';
import { type KernelDefinition, kernelCode } from './define-kernel.ts';

export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #compiled = new Map<string, Promise<Pipeline>>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  async get(definition: KernelDefinition, constants: Readonly<Record<string, number>>): Promise<Pipeline> {
    const code = await kernelCode(definition);
    const key = `${code}\u0000${JSON.stringify(Object.entries(constants).sort())}`;
    let pending = this.#compiled.get(key);
    if (!pending) {
      pending = this.#compile(definition, code, constants);
      this.#compiled.set(key, pending);
    }
    return pending;
  }

  async #compile(
    definition: KernelDefinition,
    code: string,
    constants: Readonly<Record<string, number>>,
  ): Promise<Pipeline> {
    const device = this.#device;
    const module = device.createShaderModule({ label: definition.name, code });
    const layout = device.createBindGroupLayout({
      label: definition.name,
      entries: layoutEntries(definition),
    });
    try {
      const pipeline = await device.createComputePipelineAsync({
        label: definition.name,
        layout: device.createPipelineLayout({ label: definition.name, bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main', constants: { ...constants } },
      });
      return { pipeline, layout };
    } catch (cause) {
      throw new Error(`kernel ${definition.name} does not compile:\n${await report(module, code, cause)}`, {
        cause,
      });
    }
  }
}

function layoutEntries(definition: KernelDefinition): GPUBindGroupLayoutEntry[] {
  const visibility = 4; // GPUShaderStage.COMPUTE: the constant object is missing in Node
  const entries: GPUBindGroupLayoutEntry[] = [];
  if (Object.keys(definition.uniforms).length > 0) {
    entries.push({ binding: 0, visibility, buffer: { type: 'uniform' } });
  }
  Object.values(definition.bindings).forEach((kind, index) => {
    const type = kind === 'read' ? 'read-only-storage' : kind === 'write' ? 'storage' : 'uniform';
    entries.push({ binding: index + 1, visibility, buffer: { type } });
  });
  invariant(entries.length > 0, `kernel ${definition.name} binds nothing`);
  return entries;
}

async function report(module: GPUShaderModule, code: string, cause: unknown): Promise<string> {
  const lines = code.split('\n');
  const info = await module.getCompilationInfo();
  const messages = info.messages
    .filter((message) => message.type === 'error')
    .map((message) => `line ${message.lineNum}: ${message.message}\n    ${lines[message.lineNum - 1] ?? ''}`);
  return messages.length > 0 ? messages.join('\n') : String(cause);
}
