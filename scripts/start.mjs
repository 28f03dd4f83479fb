/** `npm start`: builds the page and serves it with the default model; opens a browser where there is one. */
import { spawn, spawnSync } from 'node:child_process';
import { build, preview } from 'vite';

await build({ logLevel: 'warn' });
const server = await preview({ preview: { port: 4173, host: 'localhost' } });
const address = server.resolvedUrls?.local[0] ?? 'http://localhost:4173/';
console.log(`\nThe chat page is at ${address}   (Ctrl+C stops it)`);
openBrowser(address);

function openBrowser(url) {
  if (process.env.CI || process.env.BROWSER === 'none') return;
  const isDesktop = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  const opener =
    process.platform === 'darwin' ? 'open' : process.platform === 'win32' ? 'explorer' : 'xdg-open';
  if (!isDesktop || (opener === 'xdg-open' && spawnSync('which', [opener]).status !== 0)) return;
  spawn(opener, [url], { stdio: 'ignore', detached: true }).on('error', () => undefined);
}
