/** From a token's written form to the bytes of text it stands for, as the decoder in tokenizer.json says.
 *  Tokens are cut between bytes, not characters: bytes are the only form that can be joined one by one. */
import { AppError } from '../errors.ts';
import { JsonFields } from './json-fields.ts';

export interface TokenDecoding {
  /** Bytes of a token of the vocabulary (not of an added one, which stands for its own letters). */
  readonly bytesOf: (token: string) => Uint8Array<ArrayBuffer>;
  /** Up to this many spaces at the beginning of a text are an artefact of tokenisation, not text. */
  readonly leadingSpaces: number;
}

/** Understands byte-level BPE (GPT-2, Llama 3, Qwen) and SentencePiece with byte fallback (Llama 2, Mistral).
 *  @param decoder the field `decoder` of tokenizer.json.
 *  @throws AppError "model-unsupported" naming a decoder that is neither. */
export function parseTokenDecoding(decoder: unknown, file: string): TokenDecoding {
  if (decoder === null || decoder === undefined) throw unsupported('none', file);
  const fields = new JsonFields(decoder, file, 'decoder');
  const steps = fields.string('type') === 'Sequence' ? parseSteps(fields) : [fields];
  if (steps.length === 1 && steps[0]?.string('type') === 'ByteLevel') {
    return { bytesOf: byteLevelDecoder(), leadingSpaces: 0 };
  }
  return parsePieces(steps, file);
}

function parseSteps(sequence: JsonFields): JsonFields[] {
  const list = sequence.get('decoders');
  if (!Array.isArray(list)) throw sequence.malformed('decoders', 'a list of decoders');
  return list.map((step, i) => new JsonFields(step, sequence.file, sequence.pathOf(`decoders[${i}]`)));
}

/** SentencePiece: replacements within a token, `<0xNN>` for single bytes, a space stripped from the text's beginning. */
function parsePieces(steps: readonly JsonFields[], file: string): TokenDecoding {
  const replacements: (readonly [from: string, to: string])[] = [];
  let hasByteFallback = false;
  let isFused = false;
  let leadingSpaces = 0;
  for (const step of steps) {
    const type = step.string('type');
    switch (type) {
      case 'Replace':
        replacements.push([step.nested('pattern').string('String'), step.string('content')]);
        break;
      case 'ByteFallback':
        hasByteFallback = true;
        break;
      case 'Fuse':
        isFused = true;
        break;
      case 'Strip':
        // Before a Fuse it would strip every token; no known model asks for that, nor for stripping the end.
        if (!isFused || step.get('content') !== ' ' || step.get('stop') !== 0) throw unsupported(type, file);
        leadingSpaces += step.integer('start', 0);
        break;
      case 'Metaspace':
        replacements.push([step.has('replacement') ? step.string('replacement') : '▁', ' ']);
        if (step.get('prepend_scheme') !== 'never' && step.get('add_prefix_space') !== false)
          leadingSpaces += 1;
        break;
      default:
        throw unsupported(type, file);
    }
  }
  const encoder = new TextEncoder();
  return {
    leadingSpaces,
    bytesOf: (token) => {
      const byte = hasByteFallback ? /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1] : undefined;
      if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
      return encoder.encode(replacements.reduce((text, [from, to]) => text.replaceAll(from, to), token));
    },
  };
}

/** GPT-2's alphabet writes every byte as one visible character: printable Latin-1 as itself, the others from U+0100 on. */
function byteLevelDecoder(): (token: string) => Uint8Array<ArrayBuffer> {
  const byteOf = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    byteOf.set(String.fromCharCode(isPrintable ? byte : next++), byte);
  }
  const encoder = new TextEncoder();
  return (token) => {
    const bytes = Array.from(token, (character) => byteOf.get(character));
    // A token with a foreign character was never written in this alphabet: it stands for itself.
    return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : encoder.encode(token);
  };
}

function unsupported(type: string, file: string): AppError {
  return new AppError(
    'model-unsupported',
    `${file}: the decoder ${type} is not supported; this engine knows byte-level BPE and SentencePiece with ` +
      'byte fallback. Choose another model.',
    { details: { file, decoder: type } },
  );
}
