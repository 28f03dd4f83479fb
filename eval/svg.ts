/** The little SVG that plots need. */

export type Attributes = Readonly<Record<string, string | number>>;

/** An element; text children are escaped, elements are joined as they are. */
export function element(name: string, attributes: Attributes, children: readonly string[] = []): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  return `<${name}${written.join('')}>${children.join('')}</${name}>`;
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x: round(x), y: round(y), ...attributes }, [escaped(content)]);
}

/** A whole picture, readable on light and dark pages alike. */
export function picture(width: number, height: number, title: string, children: readonly string[]): string {
  const box = { xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${width} ${height}`, width, height };
  const font = { 'font-family': 'system-ui, sans-serif', 'font-size': 12, fill: '#1f2430' };
  const paper = element('rect', { width, height, fill: '#ffffff' });
  return `${element('svg', { ...box, ...font, role: 'img' }, [element('title', {}, [escaped(title)]), paper, ...children])}\n`;
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
