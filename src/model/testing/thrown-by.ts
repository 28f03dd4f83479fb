import { expect } from 'vitest';
import { AppError } from '../../errors.ts';

/** The AppError that `action` throws, as "code: message"; anything else fails the test. */
export function thrownBy(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    const { code, message } = error as AppError;
    return `${code}: ${message}`;
  }
  throw new Error('expected an AppError, got none');
}
