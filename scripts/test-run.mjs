import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Runs the programs of a test command and counts what they report. A part begins every line it prints with its name where
 *  parts run beside each other. */
export class TestRun {
  #env;
  #reports = mkdtempSync(join(tmpdir(), 'test-reports-'));
  #passed = 0;
  #failed = 0;

  /** env: what every program gets beside this one's own environment. */
  constructor(env = {}) {
    this.#env = env;
  }

  /** @param parts functions by name
   *  @param together beside each other instead of one after the other */
  async run(parts, { together = false } = {}) {
    const started = Object.entries(parts).map(([name, part]) => async () => {
      const begun = Date.now();
      await part(new Part(this, together ? `${name} | ` : ''));
      console.log(`-- ${name}: ${Math.round((Date.now() - begun) / 1000)} s`);
    });
    if (together) await Promise.all(started.map((start) => start()));
    else for (const start of started) await start();
  }

  /** Prints the one closing line and ends the process. */
  finish() {
    rmSync(this.#reports, { recursive: true });
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exit(this.#failed > 0 || this.#passed === 0 ? 1 : 0);
  }

  count(isFine, passed, failed) {
    this.#passed += passed;
    this.#failed += isFine ? failed : Math.max(1, failed);
  }

  reportFile(name) {
    return join(this.#reports, `${name}.json`);
  }

  environment(env) {
    return { ...process.env, ...this.#env, ...env };
  }
}

/** What a part calls. */
class Part {
  #run;
  #prefix;

  constructor(run, prefix) {
    this.#run = run;
    this.#prefix = prefix;
  }

  /** A step without counts of its own counts as one test. */
  async command(what, program, args) {
    const isFine = await this.#spawn(program, args);
    this.#run.count(isFine, isFine ? 1 : 0, isFine ? 0 : 1);
    if (!isFine) console.error(`${what}: failed`);
    return isFine;
  }

  async vitest(project, { args = [], env = {} } = {}) {
    const file = this.#run.reportFile(`vitest-${project}`);
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
    const isFine = await this.#spawn(
      'npx',
      ['vitest', 'run', '--project', project, ...args, ...reporters],
      env,
    );
    const report = read(file);
    // a file that does not load, or a skipped test, is a failure too: nothing here may be skipped
    this.#run.count(
      isFine,
      report?.numPassedTests ?? 0,
      report ? report.numTotalTests - report.numPassedTests : 0,
    );
  }

  /** config: the name of a file in e2e/. */
  async playwright(config) {
    const file = this.#run.reportFile(config);
    const args = ['playwright', 'test', '--config', `e2e/${config}`];
    const isFine = await this.#spawn('npx', args, {
      PLAYWRIGHT_JSON_OUTPUT_NAME: file,
      E2E_PORT: String(await freePort()),
    });
    const { expected = 0, unexpected = 0, flaky = 0, skipped = 0 } = read(file)?.stats ?? {};
    this.#run.count(isFine, expected, unexpected + flaky + skipped);
  }

  /** Whether the program ended well. */
  #spawn(program, args, env = {}) {
    const prefix = this.#prefix;
    console.log(`\n${prefix}$ ${program} ${args.join(' ')}`);
    const stdio = prefix ? ['ignore', 'pipe', 'pipe'] : 'inherit';
    const child = spawn(program, args, { stdio, env: this.#run.environment(env) });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => console.log(prefix + line));
    }
    return new Promise((resolve) => {
      child.on('error', (error) => {
        console.error(`${prefix}${program} does not start: ${error.message}`);
        resolve(false);
      });
      child.on('close', (status) => resolve(status === 0));
    });
  }
}

/** The names on the command line, or all there are; ends the process at an unknown one. */
export function chooseParts(command, names, wanted) {
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    console.error(`${command} has the parts ${names.join(', ')}; it has no ${unknown.join(', ')}.`);
    process.exit(2);
  }
  return wanted.length > 0 ? wanted : names;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, 'localhost', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
