import { describe, expect, test } from 'vitest';
import { AppError } from '../../errors.ts';
import { parseChatRequest } from './parse-request.ts';

const limits = { vocab: 100, samplingDefaults: {} };
const messages = [{ role: 'user', content: 'Hi' }];

function refusalOf(request: unknown): AppError {
  try {
    parseChatRequest(request, limits);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error(`accepted ${JSON.stringify(request)}`);
}

describe('parseChatRequest', () => {
  test('takes null for absent everywhere', () => {
    const names = [
      ...['model', 'stream', 'stream_options', 'max_tokens', 'max_completion_tokens', 'temperature', 'top_p'],
      ...['top_k', 'min_p', 'stop', 'seed', 'logit_bias', 'logprobs', 'top_logprobs', 'frequency_penalty'],
      ...['presence_penalty', 'repetition_penalty', 'n', 'tools', 'tool_choice', 'response_format'],
    ];
    const nulls = Object.fromEntries(names.map((name) => [name, null]));
    expect(parseChatRequest({ messages, ...nulls }, limits)).toEqual(parseChatRequest({ messages }, limits));
    expect(parseChatRequest({ messages }, limits)).toEqual({
      messages,
      generate: { stop: [], logitBias: {} },
      stream: false,
      includeUsage: false,
    });
  });

  test('accepts what asks for nothing unsupported', () => {
    const harmless = {
      ...{ n: 1, tools: [], tool_choice: 'none', response_format: { type: 'text' } },
      ...{ user: 'someone', metadata: {}, store: false, parallel_tool_calls: true },
    };
    expect(parseChatRequest({ messages, ...harmless }, limits).messages).toEqual(messages);
  });

  test('reads text given in parts, and "developer" as "system"', () => {
    const asked = [
      { role: 'developer', content: 'S' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
    ];
    expect(parseChatRequest({ messages: asked }, limits).messages).toEqual([
      { role: 'system', content: 'S' },
      { role: 'user', content: 'a\nb' },
    ]);
  });

  test('takes the bounds of every range', () => {
    const low = { temperature: 0, top_p: 0, top_k: 0, min_p: 0, frequency_penalty: -2, presence_penalty: -2 };
    const high = { temperature: 2, top_p: 1, top_k: 9, min_p: 1, frequency_penalty: 2, presence_penalty: 2 };
    expect(parseChatRequest({ messages, ...low }, limits).generate).toMatchObject({
      temperature: 0,
      presencePenalty: -2,
    });
    expect(parseChatRequest({ messages, ...high }, limits).generate).toMatchObject({
      temperature: 2,
      topP: 1,
    });
  });

  test('reads max_completion_tokens, the older max_tokens, or both when they agree', () => {
    const maxTokens = (fields: object) =>
      parseChatRequest({ messages, ...fields }, limits).generate.maxTokens;
    expect(maxTokens({ max_tokens: 5 })).toBe(5);
    expect(maxTokens({ max_completion_tokens: 6 })).toBe(6);
    expect(maxTokens({ max_tokens: 7, max_completion_tokens: 7 })).toBe(7);
    expect(maxTokens({})).toBeUndefined();
  });

  test('reads one stop string or many', () => {
    const stop = (value: unknown) => parseChatRequest({ messages, stop: value }, limits).generate.stop;
    expect(stop('x')).toEqual(['x']);
    expect(stop(['a', 'b', 'c', 'd', 'e'])).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(stop([])).toEqual([]);
  });

  const refusals: readonly [object, string, string][] = [
    [
      { messages: undefined },
      'messages',
      'messages must be a list with at least one message; got undefined.',
    ],
    [{ messages: [] }, 'messages', 'messages must be a list with at least one message; got [].'],
    [{ messages: ['Hi'] }, 'messages[0]', 'messages[0] must be an object with role and content; got "Hi".'],
    [
      { messages: [...messages, { role: 'tool', content: '' }] },
      'messages[1].role',
      'messages[1].role must be "system", "developer", "user", "assistant"; got "tool".',
    ],
    [
      { messages: [{ role: 'user' }] },
      'messages[0].content',
      'messages[0].content must be a string; got undefined.',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
      'messages[0].content[0]',
      'messages[0].content[0] must be a part of type "text"; got {"type":"image_url","image_url":{}}.',
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'text' }] }] },
      'messages[0].content[1].text',
      'messages[0].content[1].text must be a string; got undefined.',
    ],
    [
      { messages: [{ role: 'assistant', content: '', tool_calls: [{}] }] },
      'messages[0].tool_calls',
      'messages[0] has "tool_calls", which is not supported. Leave it out.',
    ],
    [{ temperatur: 1 }, 'temperatur', 'The parameter "temperatur" is not supported. Leave it out.'],
    [{ n: 2 }, 'n', 'n is 2, but only one answer per request is supported. Send several requests.'],
    [{ n: 0 }, 'n', 'n must be an integer of at least 1; got 0.'],
    [{ tools: [{ type: 'function' }] }, 'tools', 'Tool calls are not supported. Leave it out.'],
    [
      { tool_choice: 'auto' },
      'tool_choice',
      'Tool calls are not supported. Leave tool_choice out or set it to "none".',
    ],
    [
      { response_format: { type: 'json_object' } },
      'response_format',
      'Only the response_format {"type": "text"} is supported. Ask for the format in a message instead.',
    ],
    [{ temperature: 2.1 }, 'temperature', 'temperature must be a number from 0 to 2; got 2.1.'],
    [{ temperature: '1' }, 'temperature', 'temperature must be a number from 0 to 2; got "1".'],
    [{ top_p: -0.1 }, 'top_p', 'top_p must be a number from 0 to 1; got -0.1.'],
    [{ top_k: 1.5 }, 'top_k', 'top_k must be an integer of at least 0; got 1.5.'],
    [{ min_p: 2 }, 'min_p', 'min_p must be a number from 0 to 1; got 2.'],
    [{ repetition_penalty: 0 }, 'repetition_penalty', 'repetition_penalty must be a number above 0; got 0.'],
    [
      { frequency_penalty: 3 },
      'frequency_penalty',
      'frequency_penalty must be a number from -2 to 2; got 3.',
    ],
    [{ presence_penalty: -3 }, 'presence_penalty', 'presence_penalty must be a number from -2 to 2; got -3.'],
    [{ seed: 0.5 }, 'seed', 'seed must be an integer of at least 0; got 0.5.'],
    [{ max_tokens: 0 }, 'max_tokens', 'max_tokens must be an integer of at least 1; got 0.'],
    [
      { max_tokens: 1, max_completion_tokens: 2 },
      'max_tokens',
      'max_tokens is 1 and max_completion_tokens is 2, but both mean the same. Leave max_tokens out.',
    ],
    [{ stop: 5 }, 'stop', 'stop must be a list of strings; got 5.'],
    [{ stop: '' }, 'stop[0]', 'stop[0] must be a string that is not empty; got "".'],
    [{ stream: 'yes' }, 'stream', 'stream must be true or false; got "yes".'],
    [{ stream_options: {} }, 'stream_options', 'stream_options needs stream: true. Leave it out.'],
    [
      { stream: true, stream_options: { include_obfuscation: true } },
      'stream_options.include_obfuscation',
      'The stream option "include_obfuscation" is not supported. Leave it out.',
    ],
    [{ model: 5 }, 'model', 'model must be a string; got 5.'],
    [{ logprobs: 1 }, 'logprobs', 'logprobs must be true or false; got 1.'],
    [
      { top_logprobs: 3 },
      'top_logprobs',
      'top_logprobs needs logprobs. Set logprobs to true or leave it out.',
    ],
    [
      { logprobs: true, top_logprobs: 21 },
      'top_logprobs',
      'top_logprobs must be an integer from 0 to 20; got 21.',
    ],
    [
      { logit_bias: { '100': 1 } },
      'a token id in logit_bias',
      'a token id in logit_bias must be an integer from 0 to 99; got 100.',
    ],
    [
      { logit_bias: { '7': 101 } },
      'logit_bias[7]',
      'logit_bias[7] must be a number from -100 to 100; got 101.',
    ],
    [{ logit_bias: [1] }, 'logit_bias', 'logit_bias must be an object from token ids to numbers; got [1].'],
  ];
  test.each(refusals)('refuses %j', (fields, parameter, message) => {
    const error = refusalOf({ messages, ...fields });
    expect(error.code).toBe('invalid-request');
    expect(error.message).toBe(message);
    expect(error.details).toEqual({ parameter });
  });

  test('refuses what is no object', () => {
    expect(refusalOf(null).message).toBe('the request must be an object; got null.');
  });
});
