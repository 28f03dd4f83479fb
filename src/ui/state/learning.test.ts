import { describe, expect, test } from 'vitest';
import { AppError, type MemoryPlan, type TrainEvent, type TrainRequest } from '../../engine/index.ts';
import { learningFields, lengthNote, readTexts } from './learning-form.ts';
import { plotBox, plotLine } from './learning-plot.ts';
import { createLearningSession, type LearningState } from './learning-session.ts';

const maps = Uint8Array.of(1, 2, 3);
const wish = { text: ['some text'], steps: 40, longest: 512 };

const lossAt = (step: number): TrainEvent => ({
  kind: 'step',
  step,
  steps: 40,
  loss: 9 - step / 10,
  milliseconds: 7,
});
const recallAt = (step: number): TrainEvent => ({
  kind: 'recall',
  step,
  recall: { recall: step / 100, mass: 0.5, bestMass: 0.6, layers: [] },
});
const checkpointAt = (step: number): TrainEvent => ({ kind: 'checkpoint', step, bytes: Uint8Array.of(step) });

/** An engine that trains as it is told: events are given one by one. */
function setUp() {
  const requests: TrainRequest[] = [];
  const used: unknown[] = [];
  let give: (event: TrainEvent | AppError) => void = () => {};
  let refusal: AppError | null = null;
  const engine = {
    async *trainSignatures(request: TrainRequest) {
      requests.push(request);
      for (;;) {
        const event = await new Promise<TrainEvent | AppError>((resolve) => {
          give = resolve;
        });
        if (event instanceof AppError) throw event;
        yield event;
        if (event.kind === 'finished') return;
      }
    },
    async useSignatures(given: unknown) {
      used.push(given);
      if (refusal) throw refusal;
      return { kind: 'browser' } as const;
    },
  };
  const loaded: { engine: typeof engine | null } = { engine };
  let uses = 0;
  const session = createLearningSession(
    () => loaded.engine,
    () => uses++,
  );
  const tell = async (...events: readonly (TrainEvent | AppError)[]): Promise<LearningState> => {
    for (const event of events) {
      await settled();
      give(event);
    }
    await settled();
    return session.state.value;
  };
  const refuse = (error: AppError) => {
    refusal = error;
  };
  return { session, requests, used, tell, loaded, refuse, uses: () => uses };
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
const aborted = new AppError('aborted', 'stopped');

describe('the learning session', () => {
  test('collects loss and recall, and ends with maps that can be used', async () => {
    const { session, requests, used, tell, uses } = setUp();
    const learning = session.start(wish);
    expect(await tell(recallAt(0), lossAt(10), recallAt(10))).toEqual({
      kind: 'running',
      isPausing: false,
      run: {
        ...{ steps: 40, step: 10, millisecondsPerStep: 7 },
        losses: [{ step: 10, value: 8 }],
        recalls: [0, 10].map((step) => ({ step, value: step / 100 })),
      },
    });
    await tell({ kind: 'finished', maps });
    await learning;
    expect(session.state.value).toMatchObject({ kind: 'learned', maps, use: { kind: 'unused' } });
    expect(requests).toMatchObject([wish]);
    const using = session.use();
    expect(session.state.value).toMatchObject({ use: { kind: 'placing' } });
    await using;
    expect(used).toEqual([maps]);
    expect(session.state.value).toMatchObject({ use: { kind: 'used', kept: { kind: 'browser' } } });
    expect(uses()).toBe(1);
  });

  test('pauses with a checkpoint and goes on from it with the same wish', async () => {
    const { session, requests, tell } = setUp();
    void session.start(wish);
    await tell(recallAt(0), lossAt(10));
    session.pause();
    expect(session.state.value).toMatchObject({ kind: 'running', isPausing: true });
    expect(requests[0]?.signal?.aborted).toBe(true);
    expect(await tell(lossAt(11), checkpointAt(11))).toMatchObject({ isPausing: true });
    expect(await tell(aborted)).toMatchObject({ kind: 'paused', run: { step: 11 } });
    void session.resume();
    expect(await tell(lossAt(20))).toMatchObject({ kind: 'running', isPausing: false });
    expect(requests[1]).toMatchObject({ ...wish, checkpoint: Uint8Array.of(11) });
    expect(requests[1]?.signal?.aborted).toBe(false);
    expect(session.state.value).toMatchObject({
      run: { losses: [{ step: 10 }, { step: 11 }, { step: 20 }] },
    });
  });

  test('a fault leaves what was learned up to the last checkpoint; what came after it is done again', async () => {
    const { session, requests, tell } = setUp();
    void session.start(wish);
    const lost = new AppError('device-lost', 'gone');
    expect(
      await tell(recallAt(0), lossAt(10), checkpointAt(10), recallAt(10), lossAt(15), lost),
    ).toMatchObject({
      kind: 'failed',
      canResume: true,
      fault: { code: 'device-lost' },
    });
    void session.resume();
    await settled();
    expect(requests[1]?.checkpoint).toEqual(Uint8Array.of(10));
    expect(session.state.value).toMatchObject({
      run: { step: 10, losses: [{ step: 10 }], recalls: [{ step: 0 }, { step: 10 }] },
    });
  });

  test('a refused text cannot be gone on with; paused before the first step, learning begins anew', async () => {
    const { session, requests, tell } = setUp();
    void session.start(wish);
    const refused = new AppError('invalid-request', 'too short');
    expect(await tell(refused)).toMatchObject({
      kind: 'failed',
      canResume: false,
      fault: { message: 'too short' },
    });
    void session.start(wish);
    await tell(recallAt(0));
    session.pause();
    expect(await tell(aborted)).toMatchObject({ kind: 'paused', run: { step: 0, recalls: [{ step: 0 }] } });
    void session.resume();
    await settled();
    expect(requests[2]).not.toHaveProperty('checkpoint');
    expect(session.state.value).toMatchObject({ run: { recalls: [] } });
  });

  test('what was cancelled changes nothing when it comes late', async () => {
    const { session, requests, tell } = setUp();
    void session.start(wish);
    await tell(lossAt(10));
    session.cancel();
    expect(requests[0]?.signal?.aborted).toBe(true);
    expect(await tell(checkpointAt(10))).toEqual({ kind: 'none' });
    void session.start(wish);
    await settled();
    expect(requests[1], 'the checkpoint is forgotten too').not.toHaveProperty('checkpoint');
  });

  test('without a model, and where maps are refused, it says so', async () => {
    const { session, tell, loaded, refuse, uses } = setUp();
    const { engine } = loaded;
    loaded.engine = null;
    await session.start(wish);
    expect(session.state.value).toMatchObject({ kind: 'failed', fault: { message: 'No model is loaded.' } });
    loaded.engine = engine;
    void session.start(wish);
    await tell({ kind: 'finished', maps });
    refuse(new AppError('model-unsupported', 'none of this model'));
    await session.use();
    expect(session.state.value).toMatchObject({
      use: { kind: 'failed', fault: { message: 'none of this model' } },
    });
    expect(uses()).toBe(0);
  });
});

describe('a plot', () => {
  test('reaches from the first to the last step, and from the lowest to the highest value', () => {
    const points = [
      { step: 0, value: 3 },
      { step: 50, value: 1 },
      { step: 100, value: 2 },
    ];
    const { width, height } = plotBox;
    expect(plotLine(points, 100)).toEqual({
      path: `M0 0L${width / 2} ${height}L${width} ${height / 2}`,
      low: 1,
      high: 3,
    });
  });

  test('of one point, or of points that are equal, has a middle', () => {
    expect(plotLine([{ step: 1, value: 2 }], 4)).toEqual({ path: '', low: 0, high: 4 });
    const flat = plotLine(
      [1, 2].map((step) => ({ step, value: 0 })),
      2,
    );
    expect(flat).toMatchObject({ low: -1, high: 1 });
    expect(flat.path).toMatch(/^M150 45L300 45$/);
    expect(plotLine([], 4)).toEqual({ path: '', low: 0, high: 1 });
  });
});

describe('the form', () => {
  const plan = (isCpu: boolean, contextLength: number) =>
    ({ contextLength, device: { isCpu } }) as unknown as MemoryPlan;

  test('has more to learn on a graphics card, and never sequences beyond the context', () => {
    const card = learningFields(plan(false, 8192)).standard;
    const processor = learningFields(plan(true, 8192)).standard;
    expect(processor).toEqual({ steps: 50, longest: 512 });
    expect(card.steps).toBeGreaterThan(processor.steps);
    expect(card.longest).toBeGreaterThan(processor.longest);
    expect(learningFields(plan(false, 1024)).standard).toEqual({ steps: card.steps, longest: 1024 });
    expect(learningFields(plan(true, 400)).longest).toMatchObject({ min: 384, max: 400 });
  });

  test('says what short sequences mean, and only then', () => {
    expect(lengthNote(8192, plan(false, 8192))).toBeNull();
    expect(lengthNote(512, plan(false, 8192))).toContain('8,192');
  });

  test('reads files in order, and refuses none and too many', async () => {
    const file = (text: string) => new File([text], 'a.txt');
    expect(await readTexts([file('eins'), file('zwei ü')])).toEqual(['eins', 'zwei ü']);
    await expect(readTexts([])).rejects.toMatchObject({ code: 'invalid-request' });
    const large = Object.defineProperty(file(''), 'size', { value: 16e6 + 1 });
    await expect(readTexts([large])).rejects.toThrow('at most 16 MB');
  });
});
