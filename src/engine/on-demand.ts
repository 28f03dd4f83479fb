/** What is loaded when it is first wanted, in one piece, as most pages start without: always by `import()`. */
export { attentionFacts } from './attention/attention-facts.ts';
export { openModelMaps } from './attention/model-hash-maps.ts';
export { SparseAttentions } from './attention/sparse-attentions.ts';
export { checkSparseOptions } from './attention/sparse-choices.ts';
export { startMeasuring } from './attention/start-measuring.ts';
export { useSignatures } from './attention/use-signatures.ts';
