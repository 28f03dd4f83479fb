/** What is measured while answering, as rows to show. Only measured or planned values: nothing is estimated here. */
import type { MemoryPlan, MemoryUse } from '../../engine/index.ts';
import { type Answer, isSettled, type LiveFigures } from './conversation.ts';
import { formatBytes, formatCount, formatDuration, formatRate, formatShare } from './format.ts';

export interface Figure {
  readonly name: string;
  /** A dash until there is a value. */
  readonly value: string;
  /** Shown where there is little room, too. */
  readonly isMain?: boolean;
}

export interface FigureGroup {
  readonly title: string;
  readonly figures: readonly Figure[];
}

const none = '–';

/** answer: the last one, or null before the first; plan and memory: null without a loaded model. */
export function figureGroups(
  answer: Answer | null,
  plan: MemoryPlan | null,
  memory: MemoryUse | null,
): readonly FigureGroup[] {
  const timings = answer?.timings ?? null;
  const live = answer?.live ?? null;
  const rate = answer && decodeRate(answer);
  const cached = answer?.cachedTokens ?? null;
  const context = answer === null ? 0 : (live?.contextTokens ?? tokensRead(answer));
  const tokens = context === null ? none : formatCount(context);
  const firstTokenMs = timings?.timeToFirstTokenMs ?? 0;
  return [
    {
      title: 'Speed',
      figures: [
        { name: 'Decode', value: rate === null ? none : formatRate(rate), isMain: true },
        { name: 'Prefill', value: timings ? formatRate(timings.prefillTokensPerSecond) : none },
        {
          name: 'First token',
          value: firstTokenMs > 0 ? formatDuration(firstTokenMs) : none,
          isMain: true,
        },
      ],
    },
    {
      title: 'Context',
      figures: [
        {
          name: 'Tokens',
          value:
            plan === null || context === null ? tokens : `${tokens} of ${formatCount(plan.contextLength)}`,
          isMain: true,
        },
        { name: 'Attended per step', value: live === null ? none : attendedInWords(live) },
        { name: 'Attention reads', value: live === null ? none : formatBytes(live.attentionBytes) },
        { name: 'Dense would read', value: live === null ? none : formatBytes(live.denseAttentionBytes) },
        { name: 'Reused from cache', value: cached === null ? none : formatCount(cached) },
      ],
    },
    {
      title: 'Memory',
      figures: [
        { name: 'Weights', value: memory ? formatBytes(memory.weightBytes) : none },
        { name: 'KV cache', value: memory ? formatBytes(memory.kvCacheBytes) : none },
        { name: 'Scratch', value: memory ? formatBytes(memory.scratchBytes) : none },
      ],
    },
  ];
}

/** Of the question, while it is read; null before and where reading ended without an answer. */
function tokensRead({ state }: Answer): number | null {
  return state.kind === 'reading' ? state.doneTokens : null;
}

/** Of the last seconds while the answer is written, of all of it once that is known; one token alone has none. */
function decodeRate(answer: Answer): number | null {
  const { timings, live } = answer;
  if (isSettled(answer) && timings && timings.decodeTokens > 0) return timings.decodeTokensPerSecond;
  return live?.tokensPerSecond || null;
}

/** Tokens, and their share of those before the last, which nothing has attended to yet. */
function attendedInWords({ attendedTokens, contextTokens }: LiveFigures): string {
  return `${formatCount(attendedTokens)} (${formatShare(attendedTokens / Math.max(1, contextTokens - 1))})`;
}

/** One line under a finished or stopped answer. */
export function answerSummary(answer: Answer): string {
  const { timings, usage } = answer;
  const parts: string[] = [];
  if (usage) parts.push(tokensInWords(usage.completion_tokens));
  const rate = decodeRate(answer);
  if (rate !== null) parts.push(formatRate(rate));
  if (timings && timings.timeToFirstTokenMs > 0)
    parts.push(`first after ${formatDuration(timings.timeToFirstTokenMs)}`);
  return parts.join(' · ');
}

function tokensInWords(count: number): string {
  return count === 1 ? '1 token' : `${formatCount(count)} tokens`;
}
