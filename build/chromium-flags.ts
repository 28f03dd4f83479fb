const quietFlags = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** WebGPU on the CPU (SwiftShader), and no traffic of the browser's own. */
export const softwareGpuFlags = [...quietFlags, '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** WebGPU on a graphics card under Linux without a display, through Vulkan. */
export const hardwareGpuFlags = [
  ...quietFlags,
  '--disable-gpu-sandbox',
  '--ozone-platform=headless',
  '--ignore-gpu-blocklist',
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-angle=vulkan',
  '--disable-vulkan-surface',
];

/** Playwright's own flags that keep a headless browser off the graphics card. */
export const flagsAgainstHardware = ['--enable-unsafe-swiftshader', '--disable-gpu'];
