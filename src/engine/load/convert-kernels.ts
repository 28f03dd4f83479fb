/** The kernels that check and convert weights of files that are not quantised: loaded by `import()` when there are any. */
export { prepareCheckFinite } from '../../kernels/check-finite/check-finite.ts';
export { prepareQuantize } from '../../kernels/quantize/quantize.ts';
export { prepareToHalf } from '../../kernels/to-half/to-half.ts';
