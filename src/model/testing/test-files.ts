/** Reads the repository's test data and the default model's small files. Node only. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
export const defaultModel = 'public/models/SmolLM2-135M-Instruct-4bit';
export const tinyModels = 'test/data/models/tiny';

/** path: from the repository's root. */
export function readBytes(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(`${root}${path}`));
}

export function readText(path: string): string {
  return readFileSync(`${root}${path}`, 'utf8');
}

export function readJson<T = unknown>(path: string): T {
  return JSON.parse(readText(path)) as T;
}

export function hasFile(path: string): boolean {
  return existsSync(`${root}${path}`);
}
