/** `engine.probe` around the token engine: its turn, its text, its way through the worker. */
import { describe, expect, test } from 'vitest';
import { bytesOf, collect, eos, errorOf, scriptedEngine } from '../testing/scripted-engine.ts';

describe('engine.probe', () => {
  test('waits for the answer under way, then for nothing', async () => {
    const { engine, tokens } = scriptedEngine({ answer: [...bytesOf('abc'), eos] });
    const order: string[] = [];
    const answering = collect(engine.generate({ prompt: [1] })).then(() => order.push('answer'));
    const probing = engine.probe().then(() => order.push('probe'));
    const second = collect(engine.generate({ prompt: [2] })).then(() => order.push('second'));
    await Promise.all([answering, probing, second]);
    expect(order).toEqual(['answer', 'probe', 'second']);
    expect(tokens.isRunning).toBe(false);
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
