import { CopyButton } from './copy-button.tsx';

/** Code with its language and a copy button. */
export function CodeBlock({ code, language }: { readonly code: string; readonly language: string }) {
  return (
    <figure class="code-block">
      <figcaption>
        <span>{language === '' ? 'code' : language}</span>
        <CopyButton text={code} what="code" />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, which needs the keyboard too */}
      <pre tabIndex={0}>
        <code>{code}</code>
      </pre>
    </figure>
  );
}
