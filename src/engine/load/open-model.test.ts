import { describe, expect, test } from 'vitest';
import { MemorySource, readTinyModel } from '../../../test/support/test-files.ts';
import { AppError } from '../../errors.ts';
import { openModel } from './open-model.ts';
import { licenceIn } from './read-licence.ts';

type Files = Map<string, Uint8Array<ArrayBuffer>>;

const text = (content: unknown): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content));

describe('opening a model', () => {
  test('a sharded one: every tensor is found, only headers are read', async () => {
    const files = await readTinyModel('llama-bf16-sharded');
    const source = new MemorySource(files);
    const model = await openModel(source);
    expect(model.weightFiles.map(({ file }) => file)).toEqual(
      [1, 2, 3, 4].map((shard) => `model-0000${shard}-of-00004.safetensors`),
    );
    for (const { file, size } of model.weightFiles) expect(size).toBe(files.get(file)?.length);
    expect(model.entries.size).toBe(model.manifest.tensors.length);
    expect(model.tokenizer).toBeNull();
    expect(model.licence).toBeNull();
    const weightReads = source.reads.filter(({ path }) => path.endsWith('.safetensors'));
    expect(weightReads.map(({ begin, end }) => [begin, end])).toEqual(new Array(4).fill([0, 65536]));
  });

  test('tokenizer files, generation defaults and licence come along', async () => {
    const files = await readTinyModel('llama3-f16');
    files.set('generation_config.json', text({ eos_token_id: [7, 9], temperature: 0.6 }));
    files.set('tokenizer.json', text({ model: {} }));
    files.set('tokenizer_config.json', text({ bos_token: '<s>' }));
    files.set('chat_template.jinja', text('{{ messages }}'));
    files.set('README.md', text('---\nlicense: apache-2.0\n---\n# A model'));
    const model = await openModel(new MemorySource(files));
    expect(model.generationConfig).toMatchObject({ eosTokenIds: [7, 9], sampling: { temperature: 0.6 } });
    expect(model.tokenizer).toEqual({
      tokenizerJson: { model: {} },
      tokenizerConfig: { bos_token: '<s>' },
      chatTemplate: '{{ messages }}',
    });
    expect(model.licence).toBe('apache-2.0');
  });

  test('a header longer than the first read is read to its end', async () => {
    const files = await readTinyModel('llama3-f16');
    const whole = files.get('model.safetensors')!;
    const length = new DataView(whole.buffer).getUint32(0, true);
    const padding = 100_000;
    const longer = new Uint8Array(whole.length + padding).fill(0x20);
    longer.set(whole.subarray(0, 8 + length));
    new DataView(longer.buffer).setUint32(0, length + padding, true);
    longer.set(whole.subarray(8 + length), 8 + length + padding);
    files.set('model.safetensors', longer);
    const model = await openModel(new MemorySource(files, () => 999));
    const before = await openModel(new MemorySource(await readTinyModel('llama3-f16')));
    for (const [name, entry] of model.entries) {
      expect(entry.begin).toBe(before.entries.get(name)!.begin + padding);
    }
  });

  for (const [what, change, code, message] of [
    [
      'no config',
      (files: Files) => files.delete('config.json'),
      'file-malformed',
      /config\.json .*was not found/,
    ],
    [
      'a config that is no JSON',
      (files: Files) => files.set('config.json', text('<html>')),
      'file-malformed',
      /config\.json: not JSON/,
    ],
    [
      'a tokenizer that is not UTF-8',
      (files: Files) => files.set('tokenizer.json', Uint8Array.of(0x22, 0xff, 0x22)),
      'file-malformed',
      /tokenizer\.json: not UTF-8/,
    ],
    [
      'an architecture this engine lacks',
      (files: Files) => files.set('config.json', text({ ...configOf(files), model_type: 'gpt2' })),
      'model-unsupported',
      /gpt2/,
    ],
    [
      'no safetensors',
      (files: Files) => files.delete('model.safetensors.index.json'),
      'model-unsupported',
      /neither model\.safetensors nor/,
    ],
    [
      'a shard that is missing',
      (files: Files) => files.delete('model-00003-of-00004.safetensors'),
      'file-malformed',
      /names model-00003-of-00004\.safetensors, which is not there/,
    ],
    [
      'a shard that is cut',
      (files: Files) => cut(files, 'model-00002-of-00004.safetensors', 1000),
      'file-malformed',
      /model-00002-of-00004\.safetensors.*tensor model\.layers/,
    ],
    [
      'an empty shard',
      (files: Files) => files.set('model-00001-of-00004.safetensors', new Uint8Array(0)),
      'file-malformed',
      /model-00001-of-00004\.safetensors/,
    ],
    [
      'weights of another size than the config says',
      (files: Files) => files.set('config.json', text({ ...configOf(files), intermediate_size: 351 })),
      'file-malformed',
      /mlp\..*expected .*351/,
    ],
    [
      'one layer more than there is',
      (files: Files) => files.set('config.json', text({ ...configOf(files), num_hidden_layers: 4 })),
      'file-malformed',
      /model\.layers\.3.*missing/,
    ],
  ] as const) {
    test(`${what}: ${code}`, async () => {
      const files = await readTinyModel('llama-bf16-sharded');
      change(files);
      const error = await openModel(new MemorySource(files)).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(AppError);
      expect((error as AppError).code).toBe(code);
      expect((error as AppError).message).toMatch(message);
    });
  }
});

describe('the licence in a model card', () => {
  for (const [card, licence] of [
    ['---\nlicense: mit\n---\n', 'mit'],
    ['---\r\ntags:\r\n- a\r\nlicense: "llama3.2" \r\n---\r\n', 'llama3.2'],
    ['---\nlicense: other\nlicense_name: qwen-research\n---\n', 'qwen-research'],
    ['---\nlicense: other\n---\n', 'other'],
    ['---\ntags: [a]\n---\nlicense: mit', null],
    ['# License\nlicense: mit', null],
  ] as const) {
    test(`${JSON.stringify(card)} states ${licence}`, () => expect(licenceIn(card)).toBe(licence));
  }
});

function configOf(files: Files): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(files.get('config.json'))) as Record<string, unknown>;
}

function cut(files: Files, file: string, bytes: number): void {
  files.set(file, files.get(file)!.slice(0, -bytes));
}
