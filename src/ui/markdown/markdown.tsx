/** A Markdown text that may still be growing: only blocks whose source changed are rendered again. */
import { Component, type ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { type Block, parseBlocks } from './blocks.ts';
import { renderBlock } from './render.tsx';

export function Markdown({ text }: { readonly text: string }) {
  const blocks = useMemo(() => parseBlocks(text), [text]);
  return (
    <div class="markdown">
      {blocks.map((block, index) => (
        <RenderedBlock key={index} block={block} />
      ))}
    </div>
  );
}

class RenderedBlock extends Component<{ readonly block: Block }> {
  override shouldComponentUpdate(next: { readonly block: Block }): boolean {
    const { raw, definitions } = this.props.block;
    return next.block.raw !== raw || next.block.definitions !== definitions;
  }

  override render(): ComponentChildren {
    return renderBlock(this.props.block);
  }
}
