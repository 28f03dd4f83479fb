import { createEngine } from '../../src/engine/index.ts';

const engine = await createEngine({
  model: 'HuggingFaceTB/SmolLM2-135M-Instruct',
  onProgress: ({ stage, loadedBytes, totalBytes }) => console.log(stage, loadedBytes, totalBytes),
});

const stream = await engine.chat.completions.create({
  messages: [{ role: 'user', content: 'Why is the sky blue?' }],
  temperature: 0.7,
  max_completion_tokens: 200,
  stream: true,
});
let answer = '';
for await (const chunk of stream) {
  answer += chunk.choices[0]?.delta.content ?? '';
}
console.log(answer);

await engine.dispose();
