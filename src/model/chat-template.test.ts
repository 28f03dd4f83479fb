import { describe, expect, test } from 'vitest';
import { type ChatTemplateFiles, parseChatTemplate, type TemplateMessage } from './chat-template.ts';
import { defaultModel, readJson } from './testing/test-files.ts';
import { thrownBy } from './testing/thrown-by.ts';

const user = (content: string): TemplateMessage => ({ role: 'user', content });

function template(jinja: string | null, tokenizerConfig: unknown = {}) {
  const files: ChatTemplateFiles = { jinja, tokenizerConfig };
  const parsed = parseChatTemplate(files);
  if (parsed === null) throw new Error('no template');
  return parsed;
}

test('the default model: conversations are rendered as the original does', () => {
  const { chats } = readJson<{
    chats: { messages: TemplateMessage[]; add_generation_prompt: boolean; text: string }[];
  }>('test/data/golden/SmolLM2-135M-Instruct-4bit/tokenizer.json');
  const parsed = template(null, readJson(`${defaultModel}/tokenizer_config.json`));
  expect(chats.length).toBeGreaterThan(0);
  for (const { messages, add_generation_prompt: addGenerationPrompt, text } of chats) {
    expect(parsed.render(messages, { addGenerationPrompt })).toBe(text);
  }
});

describe('where the template is', () => {
  test('nowhere: null', () => {
    expect(parseChatTemplate({ jinja: null, tokenizerConfig: {} })).toBeNull();
    expect(parseChatTemplate({ jinja: null, tokenizerConfig: { chat_template: null } })).toBeNull();
  });

  test('the file goes before the field', () => {
    expect(template('file', { chat_template: 'field' }).render([])).toBe('file');
    expect(template(null, { chat_template: 'field' }).render([])).toBe('field');
  });

  test('of several, the one named default', () => {
    const list = [
      { name: 'tool_use', template: 'tools' },
      { name: 'default', template: 'plain' },
    ];
    expect(template(null, { chat_template: list }).render([])).toBe('plain');
    for (const wrong of [list.slice(0, 1), [], 3, {}]) {
      expect(thrownBy(() => template(null, { chat_template: wrong }))).toMatch(
        /^file-malformed: tokenizer_config.json: chat_template must be/,
      );
    }
  });
});

describe('what a template can use', () => {
  test('special tokens, as strings or objects; absent ones are undefined', () => {
    const config = { bos_token: '<s>', eos_token: { content: '</s>', lstrip: false }, pad_token: null };
    const source = '{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ unk_token is defined }}';
    expect(template(source, config).render([])).toBe('<s></s>falsefalse');
  });

  test('messages, and whether to begin the answer', () => {
    const source =
      '{% for m in messages %}[{{ m.role }}] {{ m["content"] | trim }}\n{% endfor %}{% if add_generation_prompt %}>{% endif %}';
    expect(template(source).render([user(' a '), user('{{ b }}')])).toBe('[user] a\n[user] {{ b }}\n>');
    expect(template(source).render([], { addGenerationPrompt: false })).toBe('');
  });

  test('no tools and no documents', () => {
    expect(template('{{ tools is none }} {{ not documents }}').render([])).toBe('true true');
  });

  test('the date, in English', () => {
    const now = new Date(2025, 2, 9);
    expect(template('{{ strftime_now("%d %b %Y") }}').render([], { now })).toBe('09 Mar 2025');
    const today = String(new Date().getFullYear());
    expect(template('{{ strftime_now("%Y") }}').render([])).toBe(today);
  });

  test('ranges, up to the length that Jinja allows', () => {
    expect(template('{% for i in range(3) %}{{ i }}{% endfor %}').render([])).toBe('012');
    expect(template('{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}').render([])).toBe('531');
    expect(template('{% for i in range(3, 1) %}{{ i }}{% endfor %}').render([])).toBe('');
    expect(thrownBy(() => template('{{ range(10000000000) }}').render([]))).toMatch(
      /^model-unsupported: .*at most 100000/,
    );
    expect(thrownBy(() => template('{{ range(0, 5, 0) }}').render([]))).toMatch(/^model-unsupported/);
  });

  test('namespaces, as templates of several families need', () => {
    const source =
      '{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}';
    expect(template(source).render([user('a'), user('b')])).toBe('2');
  });
});

describe('failures', () => {
  test("a template's own refusal is the request's fault, in its words", () => {
    const source = '{{ raise_exception("Roles must alternate") }}';
    expect(thrownBy(() => template(source).render([user('a')]))).toBe(
      "invalid-request: The model's chat template refuses these messages: Roles must alternate",
    );
  });

  test('Jinja that does not parse', () => {
    expect(thrownBy(() => template('{% for %}'))).toMatch(
      /^model-unsupported: chat_template.jinja: the chat template cannot be run/,
    );
  });

  test('Jinja that needs what is not there', () => {
    expect(thrownBy(() => template('{{ missing_function() }}').render([]))).toMatch(/^model-unsupported/);
  });

  test('one rendering leaves nothing behind for the next', () => {
    const parsed = template('{{ seen is defined }}{% set seen = 1 %}');
    expect([parsed.render([]), parsed.render([])]).toEqual(['false', 'false']);
  });
});
