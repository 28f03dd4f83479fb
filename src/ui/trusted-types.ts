/** Trusted Types: where the browser has them, no text can become HTML or script on this page, and the one thing
 *  that must be loaded by address, the engine's worker, can come from this page's own origin only. */

/** Not yet in TypeScript's DOM types. */
interface TrustedTypesWindow {
  readonly trustedTypes?: {
    createPolicy(name: 'default', rules: { createScriptURL: (url: string) => string | null }): unknown;
  };
}

/** Installs the page's default policy; the build's content-security policy allows this one and no other. */
export function installTrustedTypes(): void {
  (window as Window & TrustedTypesWindow).trustedTypes?.createPolicy('default', {
    createScriptURL: (url) => (new URL(url, document.baseURI).origin === location.origin ? url : null),
  });
}
