/** The part of the Encoding Standard the model needs. Browsers, workers and Node all have it;
 *  TypeScript declares it only together with the DOM, which the model must not see. */
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  /** @throws TypeError on invalid bytes when `fatal`. */
  decode(bytes?: Uint8Array, options?: { stream?: boolean }): string;
}

declare class TextEncoder {
  encode(text: string): Uint8Array<ArrayBuffer>;
}
