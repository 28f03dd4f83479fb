import { signal } from '@preact/signals';
import { describe, expect, test } from 'vitest';
import {
  AppError,
  type ChatCompletionChunk,
  type ChatCompletionRequest,
  type ChatCompletions,
  type Timings,
} from '../../engine/index.ts';
import { createChatSession } from './chat-session.ts';
import { emptyConversation } from './conversation.ts';
import { defaultSettings, type Settings, unsetSampling } from './settings.ts';

/** A stream the test writes by hand, as the engine's own would arrive. */
class ScriptedStream implements AsyncIterable<ChatCompletionChunk> {
  readonly #events: (ChatCompletionChunk | Error | 'end')[] = [];
  #wake: () => void = () => {};

  push(event: ChatCompletionChunk | Error | 'end'): void {
    this.#events.push(event);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChatCompletionChunk> {
    for (;;) {
      const event = this.#events.shift();
      if (event === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (event === 'end') return;
      else if (event instanceof Error) throw event;
      else yield event;
    }
  }
}

function text(content: string, finish: 'stop' | null = null): ChatCompletionChunk {
  return {
    id: 'id',
    object: 'chat.completion.chunk',
    created: 0,
    model: 'm',
    choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: finish }],
  };
}

function setUp(settings: Settings = defaultSettings) {
  const streams: ScriptedStream[] = [];
  const requests: ChatCompletionRequest[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  const frames: (() => void)[] = [];
  const create = async (request: ChatCompletionRequest, options?: { signal?: AbortSignal }) => {
    const stream = new ScriptedStream();
    streams.push(stream);
    requests.push(request);
    signals.push(options?.signal);
    return stream;
  };
  const surroundings = { isLoaded: true };
  const chat = createChatSession(
    {
      completions: () => (surroundings.isLoaded ? ({ create } as unknown as ChatCompletions) : null),
      settings: signal(settings),
      samplingDefaults: () => ({ ...unsetSampling, temperature: 0.2, topP: 0.9 }),
      frames: { request: (run) => frames.push(run) },
    },
    emptyConversation,
  );
  const answers = () => chat.conversation.value.turns.map(({ answer }) => answer);
  const runFrame = () => {
    for (const run of frames.splice(0)) run();
  };
  return { chat, streams, requests, signals, answers, runFrame, surroundings };
}

/** Lets everything that is already scheduled happen. */
const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

describe('the chat session', () => {
  test('text appears at frames, and all of it when the answer ends', async () => {
    const { chat, streams, answers, runFrame } = setUp();
    const done = chat.ask('q');
    await settled();
    expect(chat.isAnswering.value).toBe(true);
    streams[0]!.push(text('Hel'));
    await settled();
    expect(answers()[0]!.text).toBe('');
    runFrame();
    expect(answers()[0]!.text).toBe('Hel');
    streams[0]!.push(text('lo', 'stop'));
    streams[0]!.push('end');
    await done;
    expect(answers()[0]).toMatchObject({ text: 'Hello', state: { kind: 'finished', reason: 'stop' } });
    expect(chat.isAnswering.value).toBe(false);
  });

  test('stopping keeps what was written, aborts the request and takes of what arrives later the figures alone', async () => {
    const { chat, streams, signals, answers, runFrame } = setUp();
    const done = chat.ask('q');
    await settled();
    streams[0]!.push(text('part'));
    await settled();
    chat.stop();
    expect(answers()[0]).toMatchObject({ text: 'part', state: { kind: 'stopped' } });
    expect(signals[0]!.aborted).toBe(true);
    expect(chat.isAnswering.value).toBe(false);
    const usage = {
      ...{ prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      prompt_tokens_details: { cached_tokens: 0 },
    };
    const timings = { prefillTokensPerSecond: 7 } as Timings;
    streams[0]!.push(text(' late', 'stop'));
    streams[0]!.push({ ...text(''), choices: [], usage, timings });
    streams[0]!.push('end');
    await done;
    runFrame();
    expect(answers()[0]).toMatchObject({ text: 'part', state: { kind: 'stopped' }, usage, timings });
  });

  test('a failure keeps the partial text and says what happened; regenerating asks the same again', async () => {
    const { chat, streams, requests, answers } = setUp();
    const done = chat.ask('q');
    await settled();
    streams[0]!.push(text('part'));
    streams[0]!.push(new AppError('device-lost', 'gone'));
    await done;
    expect(answers()[0]).toMatchObject({
      text: 'part',
      state: { kind: 'failed', fault: { code: 'device-lost', message: 'gone' } },
    });
    const again = chat.regenerate();
    await settled();
    expect(requests[1]!.messages).toEqual([{ role: 'user', content: 'q' }]);
    streams[1]!.push(text('full', 'stop'));
    streams[1]!.push('end');
    await again;
    expect(answers()).toHaveLength(1);
    expect(answers()[0]!.text).toBe('full');
  });

  test('editing while answering stops the old answer and cuts the conversation there', async () => {
    const { chat, streams, requests, signals, answers } = setUp();
    const first = chat.ask('a');
    await settled();
    streams[0]!.push(text('A', 'stop'));
    streams[0]!.push('end');
    await first;
    void chat.ask('b');
    await settled();
    const edited = chat.edit(chat.conversation.value.turns[0]!.id, 'a2');
    await settled();
    expect(signals[1]!.aborted).toBe(true);
    expect(requests[2]!.messages).toEqual([{ role: 'user', content: 'a2' }]);
    expect(chat.isAnswering.value).toBe(true);
    streams[1]!.push(text('late', 'stop'));
    streams[2]!.push(text('A2', 'stop'));
    streams[2]!.push('end');
    await edited;
    expect(answers().map((answer) => answer.text)).toEqual(['A2']);
  });

  test('without a model the question stays and can be asked again', async () => {
    const { chat, answers, streams, surroundings } = setUp();
    surroundings.isLoaded = false;
    await chat.ask('q');
    expect(answers()[0]!.state.kind).toBe('failed');
    surroundings.isLoaded = true;
    const done = chat.regenerate();
    await settled();
    streams[0]!.push(text('ok', 'stop'));
    streams[0]!.push('end');
    await done;
    expect(answers()[0]!.text).toBe('ok');
  });

  test('sends the settings a person made, the model’s own values, and no others', async () => {
    const { chat, requests } = setUp({
      ...defaultSettings,
      systemPrompt: 'be brief',
      sampling: { ...defaultSettings.sampling, temperature: 0, topK: 40, maxTokens: 7 },
    });
    void chat.ask('q');
    await settled();
    expect(requests[0]).toEqual({
      messages: [
        { role: 'system', content: 'be brief' },
        { role: 'user', content: 'q' },
      ],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0,
      top_p: 0.9,
      top_k: 40,
      max_completion_tokens: 7,
    });
    chat.clear();
    expect(chat.conversation.value.turns).toEqual([]);
  });
});
