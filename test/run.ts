/**
 * Runs the test suites: `node dist/test/run.js [unit|simulation|repository|conformance|local|hosts|marathon|image|e2e|mesos …]`, all of them by default; one file
 * of a suite as `e2e/story`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { CodedError, messageOf } from '../framework/errors.js';
import { ensureDocker } from '../framework/local/docker.js';
import { ensureImage } from '../framework/local/image.js';
import { packageRoot } from '../framework/local/package.js';
import { createTerminal, duration } from '../framework/local/terminal.js';

interface Suite {
  readonly name: string;
  /** Its tests start containers: they need a Docker engine, and would get in each other's way side by side. */
  readonly hasContainers: boolean;
  /** Whether those are of the image under test, which then is built. */
  readonly needsImage: boolean;
  /** A suite that takes longer hangs. */
  readonly limitS: number;
}

const suites: readonly Suite[] = [
  { name: 'unit', hasContainers: false, needsImage: false, limitS: 600 },
  { name: 'simulation', hasContainers: false, needsImage: false, limitS: 600 },
  { name: 'repository', hasContainers: false, needsImage: false, limitS: 120 },
  { name: 'conformance', hasContainers: true, needsImage: false, limitS: 600 },
  { name: 'local', hasContainers: true, needsImage: true, limitS: 1200 },
  { name: 'hosts', hasContainers: true, needsImage: true, limitS: 900 },
  { name: 'marathon', hasContainers: true, needsImage: false, limitS: 900 },
  { name: 'image', hasContainers: true, needsImage: true, limitS: 1800 },
  { name: 'e2e', hasContainers: true, needsImage: true, limitS: 3600 },
  { name: 'mesos', hasContainers: true, needsImage: true, limitS: 900 },
];

interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The tests that were left out, each with its reason. */
  readonly leftOut: readonly string[];
  /** Why the suite failed, other than by its tests. */
  readonly trouble?: string;
}

const compiledTests = join(packageRoot, 'dist/test');
const terminal = createTerminal();
/** The runner of the suite that goes on. */
let running: ChildProcess | undefined;
let isStopped = false;

async function main(names: readonly string[]): Promise<number> {
  const wanted = names.map((name) => {
    const [suite = '', file] = name.split('/');
    return { suite, file };
  });
  const unknown = wanted.find(({ suite }) => !suites.some(({ name }) => name === suite));
  if (unknown !== undefined) {
    terminal.warn(`There is no suite "${unknown.suite}": ${suites.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  const chosen = suites.filter(
    ({ name }) => wanted.length === 0 || wanted.some(({ suite }) => suite === name),
  );
  // The image is built while the unit tests run. A failure is told where the image is first needed.
  const image = chosen.some(({ needsImage }) => needsImage) ? settle(seeToImage()) : undefined;

  const lines: string[] = [];
  const leftOut: string[] = [];
  let [passed, failed, skipped] = [0, 0, 0];
  for (const suite of chosen) {
    if (isStopped) return 130;
    const started = Date.now();
    const of = wanted.filter((one) => one.suite === suite.name).map(({ file }) => file);
    const files = testFiles(suite.name).filter(
      (path) => of.length === 0 || of.some((file) => file === undefined || path.endsWith(`/${file}.test.js`)),
    );
    const result = await runSuite(suite, files, image);
    passed += result.passed;
    failed += result.failed;
    skipped += result.skipped;
    leftOut.push(...result.leftOut.map((line) => `  ${suite.name}: ${line}`));
    if (result.trouble !== undefined) {
      failed += result.failed === 0 ? 1 : 0;
      terminal.warn(`Suite ${suite.name}: ${result.trouble}`);
    }
    const counts = `${result.passed} passed, ${result.failed} failed${result.skipped > 0 ? `, ${result.skipped} skipped` : ''}`;
    const trouble = result.trouble === undefined ? '' : ` (${result.trouble.split('\n')[0]})`;
    lines.push(
      `${suite.name.padEnd(12)} ${duration(Date.now() - started).padStart(12)}  ${counts}${trouble}`,
    );
  }
  terminal.say(`\n${lines.join('\n')}`);
  if (leftOut.length > 0) terminal.say(`\nLeft out:\n${leftOut.join('\n')}\n`);
  terminal.say(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

async function seeToImage(): Promise<string> {
  await ensureDocker({ terminal });
  return process.env['MESOS_JUPYTER_IMAGE'] || ensureImage({ terminal });
}

async function runSuite(
  suite: Suite,
  files: readonly string[],
  image: Promise<() => string> | undefined,
): Promise<Result> {
  const none = { passed: 0, failed: 0, skipped: 0, leftOut: [] };
  if (files.length === 0) return { ...none, trouble: `no such test file in test/${suite.name}` };
  const env: Record<string, string> = {};
  if (suite.hasContainers && !suite.needsImage) {
    try {
      await ensureDocker({ terminal });
    } catch (error) {
      return { ...none, trouble: messageOf(error) };
    }
  }
  if (suite.needsImage && image !== undefined) {
    try {
      env['MESOS_JUPYTER_IMAGE'] = (await image)();
    } catch (error) {
      const code = error instanceof CodedError ? `${error.code}: ` : '';
      return { ...none, trouble: `${code}${messageOf(error)}` };
    }
  }
  terminal.say(`\n== ${suite.name}: ${files.length} files`);
  return runFiles(suite, files, env);
}

/** Compiled tests whose source is there: what the compiler once wrote for a file that is gone is no test. */
function testFiles(suite: string): string[] {
  const directory = join(compiledTests, suite);
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .filter((name) => existsSync(join(packageRoot, 'test', suite, name.replace(/\.js$/, '.ts'))))
    .map((name) => join(directory, name))
    .sort();
}

async function runFiles(
  suite: Suite,
  files: readonly string[],
  env: Record<string, string>,
): Promise<Result> {
  const scratch = mkdtempSync(join(tmpdir(), 'mesos-jupyter-test-run-'));
  const tap = join(scratch, 'result.tap');
  const concurrency = suite.hasContainers ? 1 : availableParallelism();
  const args = [
    '--enable-source-maps',
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=tap',
    `--test-reporter-destination=${tap}`,
    ...files,
  ];
  try {
    const { status, late } = await runNode(args, env, suite.limitS);
    const result = readTap(existsSync(tap) ? readFileSync(tap, 'utf8') : '');
    if (late) return { ...result, trouble: `did not end within ${suite.limitS} s` };
    const empty = emptyFile(existsSync(tap) ? readFileSync(tap, 'utf8') : '');
    if (empty !== undefined) return { ...result, trouble: `${relative(compiledTests, empty)} has no test` };
    if (result.passed + result.failed === 0) return { ...result, trouble: 'ran no test' };
    if (status !== 0 && result.failed === 0)
      return { ...result, trouble: `node --test ended with status ${status}` };
    return result;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function runNode(
  args: readonly string[],
  env: Record<string, string>,
  limitS: number,
): Promise<{ status: number | null; late: boolean }> {
  return new Promise((resolve, reject) => {
    // Node marks the processes of its own test runner; a runner within one would run nothing.
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const child = spawn(process.execPath, args, { stdio: 'inherit', env: { ...inherited, ...env } });
    running = child;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 10_000).unref();
    }, limitS * 1000);
    child.on('error', reject);
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status, late });
    });
  });
}

/** The counts at the end of TAP; a cancelled test has failed. */
function readTap(text: string): Result {
  const count = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return {
    passed: count('pass'),
    failed: count('fail') + count('cancelled'),
    skipped: count('skipped') + count('todo'),
    leftOut: [...text.matchAll(/^ *ok \d+ - (.*) # SKIP ?(.*)$/gm)].map(([, name, why]) =>
      why ? `${name} (${why})` : `${name}`,
    ),
  };
}

/** Node counts a file without a test as a test of the file's name that passes. */
function emptyFile(tap: string): string | undefined {
  return /^ok \d+ - (\/.*\.test\.js)$/m.exec(tap)?.[1];
}

/** The outcome of a promise, to be asked for later without an unhandled rejection in between. */
function settle<T>(promise: Promise<T>): Promise<() => T> {
  return promise.then(
    (value) => () => value,
    (error: unknown) => () => {
      throw error;
    },
  );
}

// Who stops the suites stops the one that goes on, which cleans up after itself; then this ends, too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    isStopped = true;
    running?.kill(signal);
  });
}
process.exit(await main(process.argv.slice(2)));
