/** A look into a step, in one piece, as few answers are looked into: always by `import()`. */
export { probeStep } from './probe-step.ts';
export { probeInTurn } from './probe-text.ts';
