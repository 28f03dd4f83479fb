import { create, globals } from 'webgpu';
import { createLocalEngine } from '../../src/engine/index.ts';

Object.assign(globalThis, globals);
Object.defineProperty(globalThis, 'navigator', { value: { gpu: create([]) } });
const engine = await createLocalEngine({ model: 'HuggingFaceTB/SmolLM2-135M-Instruct' });
console.log(engine.plan.device.description);
