/** The page's content-security policy, in one place: a meta element in the build, a header in `vite preview`. */
import type { Plugin } from 'vite';

const directives: Readonly<Record<string, string>> = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' data: blob:",
  'font-src': "'self'",
  // Model files may come from any https host, or from a server on this machine.
  'connect-src': "'self' https: http://localhost:* http://127.0.0.1:*",
  'worker-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  // The one policy of src/ui/trusted-types.ts.
  'trusted-types': 'default',
  'require-trusted-types-for': "'script'",
};

/** As a meta element may carry it. */
const contentSecurityPolicy = Object.entries(directives)
  .map(([name, value]) => `${name} ${value}`)
  .join('; ');

/** For servers: the policy, with what only a header can say, and the usual hardening. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': `${contentSecurityPolicy}; frame-ancestors 'none'`,
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** Puts the policy first in the built page's head; the dev server, which injects styles and scripts, goes without. */
export function injectPolicy(): Plugin {
  return {
    name: 'inject-policy',
    apply: 'build',
    transformIndexHtml: () => [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy },
        injectTo: 'head-prepend',
      },
      { tag: 'meta', attrs: { name: 'referrer', content: 'no-referrer' }, injectTo: 'head' },
    ],
  };
}
