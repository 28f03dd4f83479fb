/** Messages to prompt text, by the Jinja template that comes with the model. */
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { AppError } from '../errors.ts';
import { isJsonObject, JsonFields } from './json-fields.ts';
import { parseSpecialTokens, type SpecialTokens } from './special-tokens.ts';
import { strftime } from './strftime.ts';

export interface TemplateMessage {
  readonly role: string;
  readonly content: string;
}

export interface RenderOptions {
  /** Ends the text where the assistant's answer begins; true unless told. */
  readonly addGenerationPrompt?: boolean;
  /** What `strftime_now` answers; the present unless told. */
  readonly now?: Date;
}

export interface ChatTemplateFiles {
  /** Parsed tokenizer_config.json; `{}` where there is none. */
  readonly tokenizerConfig: unknown;
  /** Content of chat_template.jinja, which goes before the field in tokenizer_config.json; null where there is none. */
  readonly jinja: string | null;
}

/** Jinja's sandbox allows no longer ranges either. */
const longestRange = 100_000;

export class ChatTemplate {
  readonly #program: Template['parsed'];
  readonly #specialTokens: SpecialTokens;
  readonly #file: string;

  /** @throws AppError "model-unsupported" when the template is not the Jinja we understand. */
  constructor(source: string, specialTokens: SpecialTokens, file: string) {
    this.#specialTokens = specialTokens;
    this.#file = file;
    try {
      this.#program = new Template(source).parsed;
    } catch (cause) {
      throw this.#unsupported(cause);
    }
  }

  /** @throws AppError "invalid-request" when the template itself refuses the messages (its `raise_exception`),
   *  "model-unsupported" when it needs what our Jinja lacks. */
  render(messages: readonly TemplateMessage[], options: RenderOptions = {}): string {
    const environment = new Environment();
    for (const [name, value] of Object.entries(this.#variables(messages, options))) {
      environment.set(name, value);
    }
    try {
      return String(new Interpreter(environment).run(this.#program).value);
    } catch (cause) {
      throw cause instanceof AppError ? cause : this.#unsupported(cause);
    }
  }

  #variables(messages: readonly TemplateMessage[], options: RenderOptions): Record<string, unknown> {
    const { bos, eos, unk, pad, additional } = this.#specialTokens;
    const named = { bos_token: bos, eos_token: eos, unk_token: unk, pad_token: pad };
    return {
      ...{ true: true, True: true, false: false, False: false, none: null, None: null },
      // Absent tokens stay undefined, so that templates may test for them.
      ...Object.fromEntries(Object.entries(named).filter(([, token]) => token !== null)),
      additional_special_tokens: [...additional],
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: options.addGenerationPrompt ?? true,
      tools: null,
      documents: null,
      range,
      strftime_now: (format: string) => strftime(options.now ?? new Date(), format),
      raise_exception: (reason: unknown) => {
        throw new AppError('invalid-request', `The model's chat template refuses these messages: ${reason}`, {
          details: { file: this.#file },
        });
      },
    };
  }

  #unsupported(cause: unknown): AppError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new AppError(
      'model-unsupported',
      `${this.#file}: the chat template cannot be run (${reason}). Choose another model.`,
      { details: { file: this.#file }, cause },
    );
  }
}

/** The model's template, or null when it has none (a base model).
 *  @throws AppError "file-malformed" when the field is no template, "model-unsupported" when it cannot be run. */
export function parseChatTemplate(files: ChatTemplateFiles): ChatTemplate | null {
  const file = 'tokenizer_config.json';
  const config = new JsonFields(files.tokenizerConfig, file);
  const specialTokens = parseSpecialTokens(config);
  if (files.jinja !== null) return new ChatTemplate(files.jinja, specialTokens, 'chat_template.jinja');
  if (!config.has('chat_template')) return null;
  return new ChatTemplate(templateIn(config), specialTokens, file);
}

/** The field is a template, or a list of named ones of which "default" is for plain conversations. */
function templateIn(config: JsonFields): string {
  const key = 'chat_template';
  const value = config.get(key);
  if (typeof value === 'string') return value;
  const named: readonly unknown[] = Array.isArray(value) ? value : [];
  const chosen = named.find((each) => isJsonObject(each) && each.name === 'default');
  if (isJsonObject(chosen) && typeof chosen.template === 'string') return chosen.template;
  throw config.malformed(key, 'a template, or a list of {name, template} with one named "default"');
}

/** Python's range(stop) and range(start, stop, step). */
function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= longestRange)) throw new Error(`range of ${length} items, at most ${longestRange}`);
  return Array.from({ length }, (_, i) => start + i * step);
}
