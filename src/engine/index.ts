/** The engine's public door: the only file the page may import. */
export { AppError, type AppErrorCode } from '../errors.ts';
export type * from './api.ts';
export type * from './chat/chat-types.ts';
