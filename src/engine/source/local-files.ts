/** Models on the user's disk: loaded by `import()`, as most come from a host. */
export { filesSource } from './files.ts';
export { folderSource } from './folder.ts';
