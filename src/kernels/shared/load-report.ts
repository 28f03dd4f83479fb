/** Bits that the loading kernels set in a report word, one word per file tensor. */
export const loadReport = {
  /** The tensor holds an infinity or NaN. */
  notFinite: 1,
  /** A value, or a scale or bias made from values, does not fit a half. */
  beyondHalf: 2,
} as const;
