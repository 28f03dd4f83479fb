/** What the page shows when something goes wrong: a code, a message, and what a person can do about it. */
import { AppError, type AppErrorCode } from '../../engine/index.ts';

export interface Fault {
  readonly code: AppErrorCode;
  readonly message: string;
}

/** 'retry': the same again; 'choose-model': open the model dialog; 'reload-model': load it anew;
 *  'reload-page': a fresh page; 'new-chat': drop the conversation's context; 'settings': correct a setting. */
export type FaultAction = 'retry' | 'choose-model' | 'reload-model' | 'reload-page' | 'new-chat' | 'settings';

export interface FaultAdvice {
  readonly title: string;
  readonly advice: string;
  /** First is the suggested one. */
  readonly actions: readonly FaultAction[];
}

const codes: Readonly<Record<AppErrorCode, true>> = {
  'webgpu-unavailable': true,
  'feature-missing': true,
  'limit-exceeded': true,
  'out-of-memory': true,
  'device-lost': true,
  'download-failed': true,
  'file-malformed': true,
  'model-unsupported': true,
  'storage-full': true,
  'context-full': true,
  'invalid-request': true,
  aborted: true,
  internal: true,
};

/** Any thrown value as a fault; unknown codes and foreign errors become 'internal'. */
export function faultFrom(error: unknown): Fault {
  if (error instanceof AppError) return { code: error.code, message: error.message };
  if (typeof error === 'object' && error !== null && 'message' in error) {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    return { code: isCode(code) ? code : 'internal', message: String(error.message) };
  }
  return { code: 'internal', message: String(error) };
}

function isCode(code: string): code is AppErrorCode {
  return Object.hasOwn(codes, code);
}

/** What to say and offer for a fault met while loading a model. */
export function loadAdvice(code: AppErrorCode): FaultAdvice {
  switch (code) {
    case 'webgpu-unavailable':
      return {
        title: 'This browser cannot reach a graphics processor',
        advice:
          'The model runs on your GPU through WebGPU. Use a current Chrome, Edge or Safari over https or localhost.',
        actions: ['reload-page'],
      };
    case 'feature-missing':
    case 'limit-exceeded':
      return {
        title: 'This device cannot hold this model',
        advice: 'Choose a smaller model, a smaller weight format or a shorter context.',
        actions: ['choose-model'],
      };
    case 'out-of-memory':
      return {
        title: 'The graphics memory is full',
        advice:
          'Close other tabs that use the GPU and try again, or choose a smaller model or a shorter context.',
        actions: ['retry', 'choose-model'],
      };
    case 'device-lost':
      return {
        title: 'The graphics device went away',
        advice:
          'The driver was reset or the device was removed. Your conversation is kept; load the model again.',
        actions: ['reload-model', 'reload-page'],
      };
    case 'download-failed':
      return {
        title: 'The model’s files could not be fetched',
        advice: 'What was downloaded is kept: trying again goes on from there.',
        actions: ['retry', 'choose-model'],
      };
    case 'file-malformed':
      return {
        title: 'A model file is missing or damaged',
        advice: 'Check the address or repository, try again, or choose another model.',
        actions: ['retry', 'choose-model'],
      };
    case 'model-unsupported':
      return {
        title: 'This model is not supported',
        advice: 'Choose a Llama, Mistral or Qwen 2 or 3 model as safetensors.',
        actions: ['choose-model'],
      };
    case 'storage-full':
      return {
        title: "The browser's storage is full",
        advice: 'Delete a stored model in Settings or free disk space, then try again.',
        actions: ['settings', 'retry'],
      };
    case 'context-full':
      return {
        title: 'The planned context is too long',
        advice: 'Choose a shorter context for this model.',
        actions: ['choose-model'],
      };
    case 'invalid-request':
      return {
        title: 'These options do not fit together',
        advice: 'Correct the model options and load again.',
        actions: ['choose-model'],
      };
    case 'aborted':
      return { title: 'Loading was stopped', advice: '', actions: ['retry', 'choose-model'] };
    case 'internal':
      return internalAdvice;
    default:
      return code satisfies never;
  }
}

/** What to say and offer for a fault met while answering. The text written so far is always kept. */
export function answerAdvice(code: AppErrorCode): FaultAdvice {
  switch (code) {
    case 'context-full':
      return {
        title: 'The conversation no longer fits the context',
        advice:
          'Edit an earlier question to cut the conversation there, start a new chat, or load the model with a longer context.',
        actions: ['new-chat', 'choose-model'],
      };
    case 'invalid-request':
      return {
        title: 'The engine refused this request',
        advice: 'Correct the sampling settings and try again.',
        actions: ['settings', 'retry'],
      };
    case 'device-lost':
      return {
        title: 'The graphics device went away while answering',
        advice: 'The text so far is kept. Try again once the engine is back.',
        actions: ['retry', 'reload-model'],
      };
    case 'out-of-memory':
      return {
        title: 'The graphics memory ran out while answering',
        advice: 'Close other tabs that use the GPU, or start a shorter conversation.',
        actions: ['retry', 'new-chat'],
      };
    case 'webgpu-unavailable':
    case 'feature-missing':
    case 'limit-exceeded':
    case 'download-failed':
    case 'file-malformed':
    case 'model-unsupported':
    case 'storage-full':
    case 'aborted':
      return {
        title: 'The answer stopped early',
        advice: 'The text so far is kept.',
        actions: ['retry', 'reload-model'],
      };
    case 'internal':
      return internalAdvice;
    default:
      return code satisfies never;
  }
}

const internalAdvice: FaultAdvice = {
  title: 'Something in this page failed',
  advice: 'This is a fault of the program, not yours. Try again; if it repeats, please report the message.',
  actions: ['retry', 'reload-model'],
};
