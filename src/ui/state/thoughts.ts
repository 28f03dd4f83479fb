/** Models that think before they answer (Qwen 3, DeepSeek-R1) write `<think>…</think>` first. */
export interface ThoughtOut {
  /** Empty where there are none. */
  readonly thoughts: string;
  /** The thoughts have not ended. */
  readonly isThinking: boolean;
  /** What follows them. */
  readonly answer: string;
}

const opening = '<think>';
const closing = '</think>';
/** Some templates write the opening tag themselves; a closing one then stands on a line of its own. */
const closingLine = /^<\/think>[ \t]*$/m;

/** Thoughts come first or not at all: tags further on are text like any other. */
export function splitThoughts(text: string): ThoughtOut {
  const trimmed = text.trimStart();
  if (trimmed.startsWith(opening)) {
    const end = trimmed.indexOf(closing);
    const isThinking = end < 0;
    return {
      thoughts: trimmed.slice(opening.length, isThinking ? undefined : end).trim(),
      isThinking,
      answer: isThinking ? '' : trimmed.slice(end + closing.length).trimStart(),
    };
  }
  const end = trimmed.search(closingLine);
  if (end < 0) return { thoughts: '', isThinking: false, answer: text };
  return {
    thoughts: trimmed.slice(0, end).trim(),
    isThinking: false,
    answer: trimmed.slice(end + closing.length).trimStart(),
  };
}

/** An answer as it is copied and read out: without its thoughts, unless there is nothing else. */
export function withoutThoughts(text: string): string {
  return splitThoughts(text).answer || text;
}
