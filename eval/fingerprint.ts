/** Eight hexadecimal digits that tell token sequences apart: FNV-1a over the ids. In a record's name it keeps results on
 *  different texts from being compared, as when a file of the same name was cut or its line ends were changed. */
export function fingerprint(ids: readonly number[]): string {
  let hash = 0x811c9dc5;
  for (const id of ids) hash = Math.imul(hash ^ id, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
