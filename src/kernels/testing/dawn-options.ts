import { environmentVariable } from './environment.ts';

/** Whether the device must offer shader-f16. Dawn hides the feature on NVIDIA cards under Vulkan, for drivers that were wrong
 *  once; GPU_F16=1 shows it, in tests and benches. */
export const wantsHalves: boolean = environmentVariable('GPU_F16') === '1';

/** How tests and benches create Dawn in Node. */
export const dawnOptions: string[] = [
  'backend=vulkan',
  ...(wantsHalves ? ['enable-dawn-features=vulkan_enable_f16_on_nvidia'] : []),
];
