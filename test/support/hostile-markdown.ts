/** Texts that a careless renderer would turn into markup that does something. */
import type { Random } from '../../src/kernels/testing/random.ts';

export const hostileMarkdown: readonly string[] = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  'a <b onmouseover="alert(1)">b</b> < c',
  '<div>\n\n<svg/onload=alert(1)>\n\n</div>',
  '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
  '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))',
  '[x](&#106;avascript:alert(1))',
  '[x](java&#10;script:alert(1))',
  '[x](data:text/html,<script>alert(1)</script>)',
  '[x](vbscript:x)',
  '[x](//evil.example/x)',
  '[x](/relative)',
  '[x](blob:https://a.example/1)',
  '<javascript:alert(1)>',
  '![x](javascript:alert(1))',
  '[x][1]\n\n[1]: javascript:alert(1)',
  '| <script> |\n|---|\n| <img src=x onerror=alert(1)> |',
  '- <style>*{display:none}</style>',
  '```html" onload="alert(1)\n<script>\n```',
  '[<img src=x onerror=alert(1)>](https://a.example/"onclick="alert(1))',
  '<a href="javascript:alert(1)">x</a>',
  '<!-- --><script>alert(1)</script>',
  '<pre>&lt;script&gt;</pre>',
  // script that runs without a tag named so
  '<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>',
  '<svg><a xlink:href="javascript:alert(1)"><text x="0" y="20">x</text></a></svg>',
  '<svg><use href="data:image/svg+xml,<svg id=x onload=alert(1)>#x"/></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>',
  '<math href="javascript:alert(1)">x</math>',
  '<details open ontoggle=alert(1)>',
  '<body onload=alert(1)>',
  '<input autofocus onfocus=alert(1)>',
  '<form action="javascript:alert(1)"><button>x</button></form>',
  '<object data="javascript:alert(1)"></object><embed src="data:text/html,x">',
  '<meta http-equiv="refresh" content="0;url=https://evil.example">',
  '<base href="https://evil.example/"><link rel=stylesheet href=//evil.example>',
  // text that a second parsing would read otherwise
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<textarea></textarea><img src=x onerror=alert(1)></textarea>',
  '<xmp><p title="</xmp><svg/onload=alert(1)>">',
  '<template><script>alert(1)</script></template>',
  '<scr<script>ipt>alert(1)</scr</script>ipt>',
  '<<script>alert(1)//<</script>',
  '<img src="x` `<script>alert(1)</script>"` `>',
  '<p/onclick=alert(1)//',
  '</p></div></main><script>alert(1)</script>',
  '<![CDATA[<script>alert(1)</script>]]>',
  '<?xml version="1.0"?><script>alert(1)</script>',
  '\u0000<scr\u0000ipt>alert(1)</script>',
  // characters written otherwise
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '&#60;img src=x onerror=alert(1)&#62;',
  '`&lt;svg onload=alert(1)&gt;`',
  '[x](javascript&colon;alert(1))',
  '[x](&#x6A&#x61&#x76&#x61script:alert(1))',
  '[x]( javascript:alert(1))',
  '[x](\u0001javascript:alert(1))',
  '[x](java\tscript:alert(1))',
  '[x](<javascript:alert(1)>)',
  '[x](data:image/svg+xml;base64,PHN2Zy9vbmxvYWQ9YWxlcnQoMSk+)',
  '[x](file:///etc/passwd)',
  '[x](https://a.example/%22%20onclick=alert(1) "title" onclick=alert(1)")',
  '[![x](javascript:alert(1))](https://a.example/)',
  '[![x](https://a.example/x.png)](https://b.example/)',
  '[a [b](https://b.example/) c](https://a.example/)',
  'https://a.example/"onmouseover=alert(1)',
  '<https://a.example/"onmouseover=alert(1)>',
  '~~~\n</code></pre><script>alert(1)</script>\n~~~',
  '```</code><script>alert(1)</script>\nx\n```',
  '# <script>alert(1)</script>\n\n> <iframe src=javascript:alert(1)>',
  '1. <b onclick=alert(1)>x\n   - [x](javascript:alert(1))',
];

const pieces = [
  ...hostileMarkdown,
  ...['\n\n', '\n', '> ', '- ', '1. ', '```', '`', '**', '_', '[', '](', ')', '|', '<', '&', '\\', '#'],
];

/** One to twelve of them and of Markdown's own marks, one after the other. */
export function mixedMarkdown(random: Random): string {
  const count = random.integer(1, 12);
  return Array.from({ length: count }, () => pieces[random.integer(0, pieces.length - 1)]!).join('');
}
