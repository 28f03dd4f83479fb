/** Finds a key that an object states twice: JSON.parse keeps the last one silently, so a file could say two things. */

/** @param text valid JSON. Returns the first key repeated within one object, or null. */
export function findDuplicateKey(text: string): string | null {
  const open: (Set<string> | null)[] = []; // a set of keys for an object, null for a list
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        open.push(new Set());
        break;
      case '[':
        open.push(null);
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case '"': {
        const end = endOfString(text, at);
        const keys = open.at(-1);
        if (keys && isKey(text, end)) {
          const key = JSON.parse(text.slice(at, end)) as string;
          if (keys.has(key)) return key;
          keys.add(key);
        }
        at = end - 1;
        break;
      }
    }
  }
  return null;
}

/** Index after the closing quote of the string that opens at `at`. */
function endOfString(text: string, at: number): number {
  let end = at + 1;
  while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end + 1;
}

function isKey(text: string, end: number): boolean {
  let next = end;
  while (/\s/.test(text[next] ?? '')) next++;
  return text[next] === ':';
}
