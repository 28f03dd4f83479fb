/** Reads a checkpoint's tensors by name and makes random ones: independent of the engine's loader. */
import { floatFromBfloat, floatFromHalf, halfFromFloat } from '../../src/kernels/shared/half.ts';
import type { Random } from '../../src/kernels/testing/random.ts';
import { parseSafetensorsHeader, type TensorEntry } from '../../src/model/safetensors.ts';
import type { TensorData } from '../../src/model/write-safetensors.ts';

type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** A checkpoint in memory, tensor by tensor, in double precision. */
export class Checkpoint {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly #files: Files;

  constructor(files: Files) {
    this.#files = files;
    const names = [...files.keys()].filter((name) => name.endsWith('.safetensors'));
    const entries = names.flatMap(
      (file) => parseSafetensorsHeader(files.get(file)!, { file, fileSize: files.get(file)!.length }).entries,
    );
    this.entries = new Map(entries.map((entry) => [entry.name, entry]));
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  /** The tensor's bytes, to look at or to damage. */
  bytes(name: string): Uint8Array<ArrayBuffer> {
    const { file, begin, end } = this.#entry(name);
    return this.#files.get(file)!.subarray(begin, end);
  }

  values(name: string): Float64Array {
    const { dtype } = this.#entry(name);
    const bytes = this.bytes(name).slice();
    switch (dtype) {
      case 'F32':
        return Float64Array.from(new Float32Array(bytes.buffer));
      case 'F16':
        return Float64Array.from(new Uint16Array(bytes.buffer), floatFromHalf);
      case 'BF16':
        return Float64Array.from(new Uint16Array(bytes.buffer), floatFromBfloat);
      case 'I8':
        return Float64Array.from(new Int8Array(bytes.buffer));
      case 'I32':
        return Float64Array.from(new Int32Array(bytes.buffer));
      case 'I64':
        return Float64Array.from(new BigInt64Array(bytes.buffer), Number);
      default:
        throw new Error(`${name} is ${dtype}`);
    }
  }

  /** A module's matrix [rows, columns], dequantised where the file holds it quantised. */
  matrix(module: string): Float64Array {
    if (!this.has(`${module}.scales`)) return this.values(`${module}.weight`);
    const scales = this.values(`${module}.scales`);
    const biases = this.values(`${module}.biases`);
    const words = new Uint32Array(this.bytes(`${module}.weight`).slice().buffer);
    const [rows = 0, wordsPerRow = 0] = this.#entry(`${module}.weight`).shape;
    const groups = this.#entry(`${module}.scales`).shape[1] ?? 0;
    const bits = this.#bits(module);
    const columns = (wordsPerRow * 32) / bits;
    return Float64Array.from({ length: rows * columns }, (_, i) => {
      const row = Math.floor(i / columns);
      const column = i % columns;
      const word = words[row * wordsPerRow + Math.floor((column * bits) / 32)]!;
      const quant = (word >>> ((column * bits) % 32)) & (2 ** bits - 1);
      const group = row * groups + Math.floor((column * groups) / columns);
      return scales[group]! * quant + biases[group]!;
    });
  }

  /** Bits per weight as config.json states them. */
  #bits(module: string): number {
    const config = JSON.parse(new TextDecoder().decode(this.#files.get('config.json'))) as {
      quantization: { bits: number } & Record<string, { bits: number } | undefined>;
    };
    return config.quantization[module]?.bits ?? config.quantization.bits;
  }

  #entry(name: string): TensorEntry {
    const entry = this.entries.get(name);
    if (!entry) throw new Error(`no tensor ${name}`);
    return entry;
  }
}

/** Normal values of a size of their own in the given type. */
export function randomTensor(
  random: Random,
  name: string,
  dtype: 'F32' | 'F16' | 'BF16',
  shape: readonly number[],
): TensorData {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = random.normals(count, 0.01 + random.next());
  return { name, dtype, shape, bytes: encode(values, dtype) };
}

export function encode(values: Float32Array<ArrayBuffer>, dtype: 'F32' | 'F16' | 'BF16'): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer);
  const halves =
    dtype === 'F16'
      ? Uint16Array.from(values, halfFromFloat)
      : Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
  return new Uint8Array(halves.buffer);
}
