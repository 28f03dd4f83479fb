/** `engine.probe` around the token engine: its turn, its text, its way through the worker. */
import { describe, expect, test } from 'vitest';
import { bytesOf, collect, eos, errorOf, scriptedEngine } from '../testing/scripted-engine.ts';

function gate() {
  let open = (): void => {};
  const isOpen = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { isOpen, open };
}

describe('engine.probe', () => {
  test('waits for no answer; the next request waits for both', async () => {
    const [asked, looked] = [gate(), gate()];
    const { engine, tokens } = scriptedEngine({
      answer: [...bytesOf('abc'), eos],
      beforeToken: (index) => (index === 3 ? asked.isOpen : undefined),
    });
    const probeAlone = tokens.probe.bind(tokens);
    tokens.probe = async (options) => {
      asked.open();
      await looked.isOpen;
      return probeAlone(options);
    };
    const order: string[] = [];
    let probing: Promise<unknown> | undefined;
    let second: Promise<unknown> | undefined;
    for await (const event of engine.generate({ prompt: [1] })) {
      if (event.kind !== 'token' || probing) continue;
      probing = engine.probe().then(({ pieces }) => order.push(`probe ${pieces.join('')}`));
      second = collect(engine.generate({ prompt: [2] })).then(() => order.push('second'));
    }
    order.push('answer');
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(tokens.requests.length).toBe(1);
    looked.open();
    await Promise.all([probing, second]);
    expect(order).toEqual(['answer', 'probe \x01abc', 'second']);
  });

  test('waits for its turn where what runs is no answer', async () => {
    const { engine, tokens } = scriptedEngine({ answer: [eos] });
    const [measuringStarts, measured] = [gate(), gate()];
    const withNetwork = tokens.withNetwork.bind(tokens);
    let calls = 0;
    tokens.withNetwork = async (work) => {
      // the first call loads, beside whatever runs
      if (++calls === 2) {
        measuringStarts.open();
        await measured.isOpen;
      }
      return withNetwork(work);
    };
    const measuring = engine.attentionFacts();
    await measuringStarts.isOpen;
    let isLooking = true;
    const probing = engine.probe().finally(() => {
      isLooking = false;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(isLooking).toBe(true);
    measured.open();
    await Promise.all([measuring, probing]);
  });

  test('gives the text of every token; a character stands with its last byte', async () => {
    const { engine } = scriptedEngine({ answer: [...bytesOf('é'), eos] });
    await collect(engine.generate({ prompt: bytesOf('a€') }));
    const { pieces, position } = await engine.probe();
    expect(pieces.join('')).toBe('a€é');
    expect(pieces.slice(0, 4)).toEqual(['a', '', '', '€']);
    expect(position).toBe(pieces.length - 1);
    expect((await engine.probe({ position: 2 })).position).toBe(2);
  });

  test('an incomplete character at the end is shown as such', async () => {
    const { engine } = scriptedEngine({ answer: [eos] });
    await collect(engine.generate({ prompt: [...bytesOf('a'), 0xe2], maxTokens: 1, ignoreEos: true }));
    expect((await engine.probe()).pieces.join('')).toBe('a\ufffd');
  });

  test('is given up by its signal while it waits, and by disposal', async () => {
    const { engine } = scriptedEngine({
      answer: [],
      beforeToken: () => new Promise((resolve) => setTimeout(resolve, 1)),
    });
    const controller = new AbortController();
    const answering = collect(engine.generate({ prompt: [1], maxTokens: 50 }));
    const waiting = errorOf(engine.probe({ signal: controller.signal }));
    controller.abort();
    expect(await waiting).toMatchObject({ code: 'aborted' });
    const left = errorOf(engine.probe());
    await engine.dispose();
    expect(await left).toMatchObject({ code: 'aborted' });
    await answering;
    expect(await errorOf(engine.probe())).toMatchObject({ code: 'invalid-request' });
  });
});
