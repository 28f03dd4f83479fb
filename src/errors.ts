/** The two kinds of failure: `invariant` for our own bugs, `AppError` for the world's faults. */

/** Closed list of what can go wrong outside our control; the page shows one screen per code. */
export type AppErrorCode =
  | 'webgpu-unavailable'
  | 'feature-missing'
  | 'limit-exceeded'
  | 'out-of-memory'
  | 'device-lost'
  | 'download-failed'
  | 'file-malformed'
  | 'model-unsupported'
  | 'storage-full'
  | 'context-full'
  | 'invalid-request'
  | 'aborted'
  /** A fault of ours, or a worker that crashed; `details.stack` says where. */
  | 'internal';

/** An error's plain form: what crosses the worker boundary, where class identity does not survive. */
export interface AppErrorJson {
  readonly code: AppErrorCode;
  readonly message: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** A fault shown to a person. Message: what, where, expected against got, what to do. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: AppErrorCode;
  readonly details: AppErrorJson['details'];

  constructor(
    code: AppErrorCode,
    message: string,
    options: { details?: AppErrorJson['details']; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  toJSON(): AppErrorJson {
    return { code: this.code, message: this.message, details: this.details };
  }

  static fromJSON(json: AppErrorJson): AppError {
    return new AppError(json.code, json.message, { details: json.details });
  }
}

/** Throws a plain Error when one of our own assumptions is broken; state expected and got in the message. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Internal error: ${message}`);
}

/** @throws AppError "aborted" once the signal has fired. */
export function throwIfAborted(signal: { readonly aborted: boolean } | undefined): void {
  if (signal?.aborted) throw new AppError('aborted', 'The operation was stopped by its caller.');
}
