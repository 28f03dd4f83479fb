import { isValidElement, type VNode } from 'preact';
import { describe, expect, test } from 'vitest';
import { hostileMarkdown, mixedMarkdown } from '../../../test/support/hostile-markdown.ts';
import { Random, runSeed } from '../../kernels/testing/random.ts';
import { parseBlocks } from './blocks.ts';
import { renderBlock } from './render.tsx';

interface Rendered {
  readonly elements: readonly VNode<Record<string, unknown>>[];
  readonly text: string;
}

/** Everything a text renders to: its elements in document order, and its text. Code blocks count as element and text. */
function rendered(markdown: string): Rendered {
  const elements: VNode<Record<string, unknown>>[] = [];
  let text = '';
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(walk);
    else if (isValidElement(node)) {
      const element = node as VNode<Record<string, unknown>>;
      elements.push(element);
      if (typeof element.props.code === 'string') text += element.props.code;
      walk(element.props.children);
    } else if (typeof node === 'string' || typeof node === 'number') text += String(node);
  };
  for (const block of parseBlocks(markdown)) walk(renderBlock(block));
  return { elements, text };
}

const tagsOf = ({ elements }: Rendered) =>
  elements.map(({ type }) => (typeof type === 'string' ? type : type.name));

const allowedTags = new Set(
  'p h3 h4 h5 h6 blockquote ul ol li hr strong em del code br a div table thead tbody tr th td CodeBlock'.split(
    ' ',
  ),
);
const allowedProps = new Set(
  'children href target rel class start scope tabIndex role aria-label code language'.split(' '),
);

/** Fails on any element, attribute or address beyond the few that an answer may have. */
function expectHarmless(markdown: string): void {
  for (const element of rendered(markdown).elements) {
    const tag = typeof element.type === 'string' ? element.type : element.type.name;
    expect(allowedTags, markdown).toContain(tag);
    for (const name of Object.keys(element.props))
      expect(allowedProps, `${tag} of ${markdown}`).toContain(name);
    if (tag === 'a') {
      expect(String(element.props.href)).toMatch(/^(https?:|mailto:)/);
      expect(element.props.rel).toBe('noopener noreferrer');
    }
  }
}

describe('Markdown', () => {
  test('the common elements become the elements they name', () => {
    expect(tagsOf(rendered('# T\n\na **b** *c* ~~d~~ `e`\n\n> q\n\n- x\n- y\n\n---\n'))).toEqual([
      ...['h3', 'p', 'strong', 'em', 'del', 'code', 'blockquote', 'p', 'ul', 'li', 'li', 'hr'],
    ]);
  });

  test('headings form an outline without gaps, whatever levels the model chose', () => {
    expect(tagsOf(rendered('## a\n#### b\n###### c\n#### d\n# e\n### f'))).toEqual([
      ...['h3', 'h4', 'h5', 'h4', 'h3', 'h4'],
    ]);
    expect(tagsOf(rendered('- # x'))).toEqual(['ul', 'li', 'p', 'strong']);
  });

  test('an ordered list keeps its first number', () => {
    const list = rendered('7. a\n8. b').elements[0]!;
    expect(list.type).toBe('ol');
    expect(list.props.start).toBe(7);
  });

  test('a fenced block keeps its code exactly and names its language', () => {
    const { elements } = rendered('```ts title="x"\nconst a = "<b>" && 1;\n\n\tb();\n```');
    expect(elements[0]!.props).toMatchObject({ code: 'const a = "<b>" && 1;\n\n\tb();', language: 'ts' });
  });

  test('an unclosed fence, as while streaming, is code already', () => {
    expect(rendered('```js\nlet x').elements[0]!.props).toMatchObject({ code: 'let x', language: 'js' });
  });

  test('a table has headers, cells and alignment', () => {
    const table = rendered('| a | b |\n|---|--:|\n| 1 | **2** |');
    expect(tagsOf(table)).toEqual('div table thead tr th th tbody tr td td strong'.split(' '));
    expect(table.elements[5]!.props.class).toBe('align-right');
  });

  test('character references and escapes become their characters; unknown ones stay', () => {
    expect(rendered('&lt;b&gt; &amp;amp; &#8212; &#x1F600; &nosuch; \\*x\\*').text).toBe(
      '<b> &amp; — 😀 &nosuch; *x*',
    );
    expect(rendered('&#0; &#xD800; \0').text).toBe('\ufffd \ufffd \ufffd');
  });

  test('a definition that arrives later turns earlier text into a link', () => {
    expect(tagsOf(rendered('see [it][1]'))).toEqual(['p']);
    expect(tagsOf(rendered('see [it][1]\n\n[1]: https://a.example/'))).toEqual(['p', 'a']);
    const [before] = parseBlocks('see [it][1]');
    const [after] = parseBlocks('see [it][1]\n\n[1]: https://a.example/');
    expect(after!.definitions).not.toBe(before!.definitions);
  });

  test('images become links, so that nothing is fetched', () => {
    const { elements, text } = rendered('![a cat](https://a.example/cat.png)');
    expect(elements.map(({ type }) => type)).toEqual(['p', 'a']);
    expect(elements[1]!.props.href).toBe('https://a.example/cat.png');
    expect(text).toBe('a cat');
  });

  test('a link inside a link is its text', () => {
    const { elements, text } = rendered('[**![a cat](https://a.example/cat.png)** b](https://b.example/)');
    expect(elements.map(({ type }) => type)).toEqual(['p', 'a', 'strong']);
    expect(elements[1]!.props.href).toBe('https://b.example/');
    expect(text).toBe('a cat b');
  });
});

describe('hostile Markdown', () => {
  test.each(hostileMarkdown)('%j renders harmless elements only', (markdown) => {
    expectHarmless(markdown);
  });

  test('HTML stays readable as text', () => {
    expect(rendered('before <script>alert("x")</script> after').text).toBe(
      'before <script>alert("x")</script> after',
    );
    expect(rendered('<div class="a">\ntext\n</div>').text.replaceAll('\n', '')).toBe(
      '<div class="a">text</div>',
    );
    expect(rendered('<pre>1 < 2 & 3</pre>').text).toBe('<pre>1 < 2 & 3</pre>');
  });

  test('Markdown between tags, as of a model that thinks aloud, is still Markdown', () => {
    const { elements, text } = rendered('<think>\nso **much**\n</think>\n\nyes');
    expect(elements.map(({ type }) => type)).toContain('strong');
    expect(text).toContain('<think>');
  });

  test('refused addresses leave their text', () => {
    const { elements, text } = rendered('[click](javascript:alert(1))');
    expect(elements.map(({ type }) => type)).toEqual(['p']);
    expect(text).toBe('click');
  });

  test('deep nesting neither overflows nor loses the text', () => {
    const { text } = rendered(`${'> '.repeat(300)}deep`);
    expect(text).toContain('deep');
    expect(rendered(`${'*a '.repeat(2000)}`).text.length).toBeGreaterThan(2000);
  });

  test(`random mixtures of markup render harmless elements only (seed ${runSeed})`, () => {
    const random = new Random(runSeed);
    for (let round = 0; round < 300; round++) {
      const text = mixedMarkdown(random);
      expectHarmless(text);
      expectHarmless(text.slice(0, random.integer(0, text.length)));
    }
  });
});
