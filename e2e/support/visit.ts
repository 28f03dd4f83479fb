/** One person's visit to the page in a fresh browser profile, with everything noted that must not happen. */
import {
  type Browser,
  type BrowserContextOptions,
  test as base,
  expect,
  type Page,
  type Worker,
} from 'playwright/test';
import { onHardware } from '../../src/kernels/testing/on-hardware.ts';

export interface SeenRequest {
  readonly url: string;
  readonly method: string;
  readonly range: string | undefined;
}

export interface Visit {
  readonly page: Page;
  /** Every request of the page and of its workers, in order. */
  readonly requests: SeenRequest[];
  /** Console errors and warnings, uncaught errors, violations of the content-security policy. */
  readonly problems: string[];
  /** Other origins that this visit may contact, e.g. a model host. */
  readonly hosts: Set<string>;
}

/** A graphics card would end an answer before a test has seen it begin: there, every read-back takes 50 ms more. */
function unhurried(worker: Worker): Promise<void> {
  return worker.evaluate(() => {
    const { mapAsync } = GPUBuffer.prototype;
    GPUBuffer.prototype.mapAsync = async function (...range) {
      await mapAsync.apply(this, range);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return undefined;
    };
  });
}

/** A fresh profile with an empty page; every visit ends in `endVisit`. */
export async function openVisit(browser: Browser, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const visit: Visit = { page, requests: [], problems: [], hosts: new Set() };
  // one that ends at once has nothing to slow down
  if (onHardware) page.on('worker', (worker) => unhurried(worker).catch(() => undefined));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      visit.problems.push(`console ${message.type()}: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => visit.problems.push(`uncaught: ${error.stack ?? error.message}`));
  page.on('crash', () => visit.problems.push('the page crashed'));
  page.on('request', (request) => {
    visit.requests.push({
      url: request.url(),
      method: request.method(),
      range: request.headers().range,
    });
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      console.error(`policy violated: ${violatedDirective} by ${blockedURI}`);
    });
  });
  return visit;
}

/** Fails if anything went wrong behind the page's back, or if it spoke to a host it was not sent to. */
export function expectClean(visit: Visit): void {
  expect(visit.problems.splice(0), 'problems in the console').toEqual([]);
  const home = new URL(visit.page.url()).origin;
  const foreign = visit.requests
    .map(({ url }) => new URL(url))
    .filter(
      ({ protocol, origin }) => /^https?:$/.test(protocol) && origin !== home && !visit.hosts.has(origin),
    );
  expect(foreign.map(String), 'requests to other hosts').toEqual([]);
}

export async function endVisit(visit: Visit): Promise<void> {
  expectClean(visit);
  await visit.page.context().close();
}

/** `visit`: a visit for one test, checked at its end. */
export const test = base.extend<{ visit: Visit }>({
  visit: async ({ browser }, use) => {
    const visit = await openVisit(browser);
    await use(visit);
    await endVisit(visit);
  },
});

export { expect };
