/** Whether a question is so long that its answer would be out of sight: more than about fifteen lines. */
export function isLongQuestion(text: string): boolean {
  const charactersPerLine = 75;
  const lines = text
    .split('\n')
    .reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / charactersPerLine)), 0);
  return lines > 15;
}
