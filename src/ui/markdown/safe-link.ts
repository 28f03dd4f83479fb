/** Which addresses an answer may link to. */
const schemes: ReadonlySet<string> = new Set(['http:', 'https:', 'mailto:']);

/** The address in canonical form, or null when it is relative, malformed or of another scheme (javascript:, data:, …).
 *  Relative addresses are refused: an answer knows nothing of this page. */
export function safeLink(href: string): string | null {
  if (!URL.canParse(href)) return null;
  const url = new URL(href);
  return schemes.has(url.protocol) ? url.href : null;
}
