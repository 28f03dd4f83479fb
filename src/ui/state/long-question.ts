/** Whether a question is so long that its answer would be out of sight: more than about fifteen lines. */
export function isLongQuestion(text: string): boolean {
  const charactersPerLine = 75;
  const lines = text
    .split('\n')
    .reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / charactersPerLine)), 0);
  return lines > 15;
}

/** What is asked about a pasted text mostly comes last; empty where the last line is long itself. */
export function lastLine(text: string): string {
  const line = text.trimEnd().split('\n').at(-1)?.trim() ?? '';
  return line.length <= 300 ? line : '';
}
