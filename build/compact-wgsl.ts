/** Shaders without comments and indentation in the built page: they are a third of its bytes. */
import { readFile } from 'node:fs/promises';
import type { Plugin } from 'vite';

/** WGSL has no strings, so `//` always begins a comment, and a space or line end beside these signs means nothing; nor does
 *  a last comma, or the zeros of 1.0 and 0.5. */
export function compactWgsl(text: string): string {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/\/\/.*$/, '')
        .replace(/ ?([,;:=(){}+*<>|^%&/]) ?/g, '$1')
        .replace(/ - (?!-)/g, '-')
        .replace(/(\d\.)0(?!\d)/g, '$1')
        .replace(/(?<![\w.])0(?=\.\d)/g, '')
        .trim(),
    )
    .filter((line) => line !== '')
    .join('\n')
    .replace(/([,;:=(){}|&])\n/g, '$1')
    .replace(/,([)}])/g, '$1');
}

/** For `import text from './x.wgsl?raw'`, in builds only. */
export function compactShaders(): Plugin {
  return {
    name: 'compact-shaders',
    apply: 'build',
    enforce: 'pre',
    load: {
      filter: { id: /\.wgsl\?raw$/ },
      async handler(id) {
        const path = id.replace(/\?raw$/, '');
        this.addWatchFile(path);
        return `export default ${JSON.stringify(compactWgsl(await readFile(path, 'utf8')))}`;
      },
    },
  };
}
