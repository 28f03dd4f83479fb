/** What hostile answers render to, judged by DOMPurify: the page makes nodes and never HTML, so nothing is left to sanitise. */
import { readFileSync } from 'node:fs';
import { Random, runSeed } from '../src/kernels/testing/random.ts';
import { hostileMarkdown, mixedMarkdown } from '../test/support/hostile-markdown.ts';
import { deployWith } from './support/hosts.ts';
import { expect, test } from './support/visit.ts';

interface Sanitised {
  readonly html: string;
  readonly removed: number;
}

interface Purifier {
  sanitize(html: string, options: { readonly ADD_ATTR: readonly string[] }): string;
  readonly removed: readonly unknown[];
}

const purifier = readFileSync(new URL('../node_modules/dompurify/dist/purify.js', import.meta.url), 'utf8');

test('DOMPurify finds nothing to remove from rendered answers', async ({ visit }) => {
  const random = new Random(runSeed);
  const harmless =
    '# a\n\n**b** [c](https://c.example/) `d`\n\n| e |\n|--:|\n| f |\n\n3. g\n\n> h\n\n```js\ni\n```';
  const texts = [harmless, ...hostileMarkdown, ...Array.from({ length: 100 }, () => mixedMarkdown(random))];
  const { page } = visit;
  await deployWith(visit, null);
  // the page takes up the conversation that its tab held before
  const turns = texts.map((text, i) => ({ question: `text ${i}`, text, reason: 'stop' }));
  await page.addInitScript(
    (kept) => sessionStorage.setItem('pivotal.conversation', kept),
    JSON.stringify(turns),
  );
  await page.goto('./');
  const answers = page.getByTestId('message-list').locator('> li .answer');
  await expect(answers).toHaveCount(texts.length);
  const rendered = await answers.evaluateAll((found) => found.map(({ innerHTML }) => innerHTML));

  // a page of its own: the policy of ours lets no script in
  const judge = await page.context().newPage();
  await judge.evaluate(purifier);
  const sanitise = (html: readonly string[]): Promise<readonly Sanitised[]> =>
    judge.evaluate((all) => {
      const { DOMPurify } = globalThis as unknown as { readonly DOMPurify: Purifier };
      // `target`, which our links have with rel=noopener, is what it takes away from harmless HTML, too
      return all.map((each) => ({
        html: DOMPurify.sanitize(each, { ADD_ATTR: ['target'] }),
        removed: DOMPurify.removed.length,
      }));
    }, html);

  const asHtml = await sanitise(hostileMarkdown);
  expect(asHtml.filter(({ removed }) => removed > 0).length, 'the same texts taken for HTML').toBeGreaterThan(
    30,
  );
  expect(rendered[0]).toMatch(/<h3>.*<strong>.*<a .*<code>.*<table>.*<ol .*<blockquote>.*<pre /s);
  const judged = await sanitise(rendered);
  const found = judged.flatMap(({ html, removed }, i) =>
    html === rendered[i] && removed === 0 ? [] : [{ text: texts[i], rendered: rendered[i], html, removed }],
  );
  expect(found, `seed ${runSeed}`).toEqual([]);
});
