/** The bench in a browser: the page's script leaves `runBenchInPage` for whoever drives the browser. */
import { openSource } from '../src/engine/source/open-source.ts';
import { openGpu } from '../src/kernels/runtime/gpu.ts';
import { runBench } from './main.ts';
import type { BenchReport, BenchWishes } from './run.ts';

declare global {
  interface Window {
    runBenchInPage: (modelUrl: string, wishes: BenchWishes) => Promise<BenchReport>;
    /** Left there by whoever wants the report so far after every measurement. */
    keepBenchReport?: (report: BenchReport) => void;
  }
}

window.runBenchInPage = async (modelUrl, wishes) =>
  runBench({
    gpu: await openGpu(),
    openDefaultModel: () =>
      openSource({ kind: 'url', url: new URL(modelUrl, location.href).href }, { useStorage: false }),
    log: console.log,
    keep: (report) => window.keepBenchReport?.(report),
    ...wishes,
  });
