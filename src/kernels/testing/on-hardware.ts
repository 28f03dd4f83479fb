import { environmentVariable } from './environment.ts';

/** Whether the tests run on a graphics card (`npm run test:gpu`): where a CPU adapter, slow to compile, has one case drawn,
 *  it takes them all. */
export const onHardware: boolean = environmentVariable('TEST_GPU') === 'hardware';
