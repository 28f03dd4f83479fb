/** Any thrown value in the plain form that crosses the worker boundary. */
import { AppError, type AppErrorJson } from '../../errors.ts';

/** What is no AppError is a fault of ours: code "internal", with its stack in the details. */
export function errorToJson(error: unknown): AppErrorJson {
  if (error instanceof AppError) return error.toJSON();
  if (!(error instanceof Error)) {
    return { code: 'internal', message: `The engine failed: ${String(error)}`, details: {} };
  }
  return {
    code: 'internal',
    message: `The engine failed: ${error.message}`,
    details: { name: error.name, ...(error.stack === undefined ? {} : { stack: error.stack }) },
  };
}
