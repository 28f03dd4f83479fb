/** Reads parsed JSON that came from outside, field by field; every complaint names file, field and what was found. */
import { AppError } from '../errors.ts';

/** A JSON object with the name of its file and its path inside, for messages. */
export class JsonFields {
  readonly file: string;
  readonly path: string;
  readonly #values: ReadonlyMap<string, unknown>;

  /** @throws AppError "file-malformed" unless `value` is a JSON object. */
  constructor(value: unknown, file: string, path = '') {
    this.file = file;
    this.path = path;
    if (!isJsonObject(value)) {
      const what = path === '' ? 'the whole file' : path;
      throw new AppError(
        'file-malformed',
        `${file}: ${what} must be a JSON object, got ${describeJson(value)}.`,
        { details: { file } },
      );
    }
    this.#values = new Map(Object.entries(value));
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  get(key: string): unknown {
    return this.#values.get(key);
  }

  /** Present and not null. */
  has(key: string): boolean {
    const value = this.#values.get(key);
    return value !== undefined && value !== null;
  }

  integer(key: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.get(key);
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw this.malformed(key, `an integer ${range}`);
    }
    return value as number;
  }

  /** A finite number for which `isRight` holds; `expected` says so in words. */
  number(key: string, expected: string, isRight: (value: number) => boolean): number {
    const value = this.get(key);
    if (typeof value !== 'number' || !Number.isFinite(value) || !isRight(value)) {
      throw this.malformed(key, expected);
    }
    return value;
  }

  string(key: string): string {
    const value = this.get(key);
    if (typeof value !== 'string') throw this.malformed(key, 'a string');
    return value;
  }

  /** `whenAbsent` also stands for null. */
  boolean(key: string, whenAbsent: boolean): boolean {
    if (!this.has(key)) return whenAbsent;
    const value = this.get(key);
    if (typeof value !== 'boolean') throw this.malformed(key, 'true or false');
    return value;
  }

  /** Token ids given as one number, a list, or not at all. */
  tokenIds(key: string): readonly number[] {
    if (!this.has(key)) return [];
    const value = this.get(key);
    const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (!ids.every((id): id is number => Number.isSafeInteger(id) && (id as number) >= 0)) {
      throw this.malformed(key, 'a token id or a list of token ids');
    }
    return ids;
  }

  nested(key: string): JsonFields {
    return new JsonFields(this.get(key), this.file, this.pathOf(key));
  }

  pathOf(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  /** The field is not what its format allows. */
  malformed(key: string, expected: string): AppError {
    const got = describeJson(this.get(key));
    return new AppError(
      'file-malformed',
      `${this.file}: ${this.pathOf(key)} must be ${expected}, got ${got}. Check the file, or choose another model.`,
      { details: { file: this.file, field: this.pathOf(key) } },
    );
  }

  /** The field is well formed and asks for something this engine does not do. */
  unsupported(key: string, supported: string): AppError {
    const got = describeJson(this.get(key));
    return new AppError(
      'model-unsupported',
      `${this.file}: ${this.pathOf(key)} is ${got}; this engine supports ${supported}. Choose another model.`,
      { details: { file: this.file, field: this.pathOf(key) } },
    );
  }
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A short form of a value for messages; never walks into deep or long values. */
export function describeJson(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (isJsonObject(value)) return 'an object';
  if (Array.isArray(value)) {
    const isPlain = value.length <= 8 && value.every((item) => typeof item !== 'object' || item === null);
    return isPlain ? `[${value.map(describeJson).join(', ')}]` : `a list of ${value.length}`;
  }
  if (typeof value === 'string' && value.length > 80) return JSON.stringify(`${value.slice(0, 77)}...`);
  return JSON.stringify(value);
}
