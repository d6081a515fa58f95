/** The images of nodes and scheduler: built on this machine if they are not there, on a base that is pulled or, failing that, bootstrapped. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../errors.js';
import { failed, lastLines, mustRun, type RunOptions, run, withLogFile } from './command.js';
import { aptInstall, findProgram, isDebianLike } from './docker.js';
import { readMounts } from './mounts.js';
import { packageRoot } from './package.js';
import { createTerminal, type Terminal } from './terminal.js';

export interface EnsureImageOptions {
  readonly terminal?: Terminal;
  /** Whether packages may be installed, for bootstrapping the base. */
  readonly install?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What an image is built of; `npm run build` makes the context. */
interface ImageSource {
  readonly name: string;
  readonly dockerfile: string;
  readonly context: string;
}

export const imageName = 'mesos-jupyter-node';

const nodeImage: ImageSource = {
  name: imageName,
  dockerfile: join(packageRoot, 'executor-image/Dockerfile'),
  context: join(packageRoot, 'dist/node-agent'),
};
const schedulerImage: ImageSource = {
  name: 'mesos-jupyter-scheduler',
  dockerfile: join(packageRoot, 'framework/Dockerfile'),
  context: join(packageRoot, 'dist/scheduler'),
};

/** What the Dockerfile builds on, the Debian release that it is, and what a base of our own making is called. */
const base = {
  image: 'debian:trixie-slim',
  release: 'trixie',
  bootstrapped: 'mesos-jupyter-base:trixie',
} as const;

/** A registry that is there gives 30 MB in this time; one that is out of reach keeps docker pull waiting for much longer. */
const pullTimeoutMs = 90_000;
/** What an unpacked minimal Debian needs, with its packages beside it. */
const bootstrapBytes = 1_000_000_000;

/**
 * The tag of an image that holds exactly this Dockerfile and this node agent, built if it is not there.
 * @throws CodedError IMAGE_BUILD_FAILED
 */
export function ensureImage(options: EnsureImageOptions = {}): Promise<string> {
  return ensureBuilt(nodeImage, options);
}

/** The same of the scheduler. */
export function ensureSchedulerImage(options: EnsureImageOptions = {}): Promise<string> {
  return ensureBuilt(schedulerImage, options);
}

async function ensureBuilt(source: ImageSource, options: EnsureImageOptions): Promise<string> {
  const { dockerfile, context } = source;
  for (const part of [dockerfile, context]) {
    if (!existsSync(part)) {
      throw new CodedError('IMAGE_BUILD_FAILED', `${part} is missing: run "npm ci" (which builds it) first`);
    }
  }
  const tag = `${source.name}:${contentHash(source)}`;
  if (!(await hasImage(tag))) await buildImage({ dockerfile, context, tag }, options);
  return tag;
}

/**
 * Builds an image whose Dockerfile takes the Debian to build on as the argument BASE, on the base that can be had here.
 * @throws CodedError IMAGE_BUILD_FAILED
 */
export async function buildImage(
  what: { readonly dockerfile: string; readonly context: string; readonly tag: string },
  options: EnsureImageOptions = {},
): Promise<void> {
  const { terminal = createTerminal(), install = true, signal } = options;
  const proxies = await proxyVariables();
  const from = await ensureBase(terminal, install, proxies, signal);
  // The host's network: a build needs names resolved and packages fetched as this machine does it.
  const args = ['build', '--network', 'host', '--file', what.dockerfile, '--tag', what.tag];
  args.push('--build-arg', `BASE=${from}`);
  for (const name of Object.keys(proxies)) args.push('--build-arg', name);
  const env = { ...proxies, BUILDKIT_PROGRESS: 'plain' };
  await terminal.step(`Building the image ${what.tag}`, (onLine) =>
    withLogFile('docker-build', (logFile) =>
      mustRun('IMAGE_BUILD_FAILED', 'docker', [...args, what.context], { env, logFile, signal, onLine }),
    ),
  );
}

/**
 * Sees to an image that the user named: pulled if it is not there.
 * @throws CodedError IMAGE_MISSING
 */
export async function ensureNamedImage(image: string, options: EnsureImageOptions = {}): Promise<void> {
  const { terminal = createTerminal(), signal } = options;
  if (await hasImage(image)) return;
  await terminal.step(`Pulling ${image}`, async (progress) => {
    const { status, output } = await run('docker', ['pull', image], { signal, onLine: progress });
    if (status !== 0) {
      throw new CodedError(
        'IMAGE_MISSING',
        `the image ${image} is not on this machine and cannot be pulled; build one by giving no image:\n${lastLines(output, 3)}`,
      );
    }
  });
}

async function hasImage(image: string): Promise<boolean> {
  return (await run('docker', ['image', 'inspect', '--format', '{{.Id}}', image])).status === 0;
}

/** Names the image by what is in it, so that an old one is never taken for the present one. */
function contentHash({ dockerfile, context }: ImageSource): string {
  const hash = createHash('sha256').update(readFileSync(dockerfile));
  const files = readdirSync(context, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of files) {
    hash.update(`\0${file.slice(context.length)}\0`).update(readFileSync(file));
  }
  return hash.digest('hex').slice(0, 12);
}

async function ensureBase(
  terminal: Terminal,
  install: boolean,
  proxies: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<string> {
  for (const image of [base.image, base.bootstrapped]) if (await hasImage(image)) return image;
  const pulled = await terminal
    .step(`Pulling ${base.image}`, async (progress) => {
      const result = await run('docker', ['pull', base.image], {
        signal,
        timeoutMs: pullTimeoutMs,
        onLine: progress,
      });
      if (result.status !== 0)
        throw failed('IMAGE_BUILD_FAILED', 'docker pull', result.status, result.output);
    })
    .catch((error: unknown) => {
      if (error instanceof CodedError && error.code === 'IMAGE_BUILD_FAILED') return error;
      throw error;
    });
  if (pulled === undefined) return base.image;
  terminal.say(
    `${base.image} cannot be pulled: making the base from Debian's packages with debootstrap instead.`,
  );
  await bootstrapBase(terminal, install, proxies, signal);
  return base.bootstrapped;
}

async function bootstrapBase(
  terminal: Terminal,
  install: boolean,
  proxies: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const cannot = (why: string) =>
    new CodedError(
      'IMAGE_BUILD_FAILED',
      `${base.image} cannot be pulled, and cannot be made with debootstrap: ${why}. Load it with "docker load", or make the registry reachable`,
    );
  if (process.getuid?.() !== 0) throw cannot('that wants root');
  if (findProgram('debootstrap') === undefined) {
    if (!install || !isDebianLike()) throw cannot('debootstrap is not installed');
    await aptInstall(['debootstrap', 'debian-archive-keyring'], 'IMAGE_BUILD_FAILED', terminal);
  }
  const place = ['/var/tmp', tmpdir(), packageRoot].find(
    (directory) => freeBytes(directory) > bootstrapBytes,
  );
  if (place === undefined)
    throw cannot(`neither /var/tmp nor ${tmpdir()} has ${bootstrapBytes / 1e9} GB free`);

  const directory = mkdtempSync(join(place, 'mesos-jupyter-base-'));
  try {
    await terminal.step(`Bootstrapping ${base.bootstrapped}`, (onLine) =>
      withLogFile('debootstrap', (logFile) =>
        makeBase(join(directory, 'root'), { env: proxies, logFile, signal, onLine }),
      ),
    );
  } finally {
    // debootstrap mounts /proc and /sys in there, and takes them away again, unless it was killed.
    for (const point of mountsBelow(directory)) await run('umount', ['--lazy', point]);
    if (mountsBelow(directory).length === 0) rmSync(directory, { recursive: true, force: true });
    else terminal.warn(`${directory} is left behind: something is mounted in it`);
  }
}

async function makeBase(root: string, options: RunOptions): Promise<void> {
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const args = ['--variant=minbase', ...(existsSync(keyring) ? [`--keyring=${keyring}`] : [])];
  await mustRun('IMAGE_BUILD_FAILED', 'debootstrap', [...args, base.release, root], options);
  // Fetched packages have served their turn; the build fetches its own.
  const pack =
    'set -o pipefail; tar -C "$1" --numeric-owner --exclude="./var/cache/apt/archives/*.deb" -c . | docker import - "$2"';
  await mustRun('IMAGE_BUILD_FAILED', 'bash', ['-c', pack, 'bash', root, base.bootstrapped], options);
}

/** Innermost first. */
function mountsBelow(directory: string): string[] {
  return readMounts()
    .map(({ point }) => point)
    .filter((point) => point.startsWith(`${directory}/`))
    .reverse();
}

function freeBytes(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

/** The proxies that this machine fetches packages through: from the environment, else from apt's own settings. */
async function proxyVariables(): Promise<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const name of ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
    const value = process.env[name];
    if (value !== undefined && value !== '') variables[name] = value;
  }
  if (variables['http_proxy'] === undefined && findProgram('apt-config') !== undefined) {
    const { stdout } = await run('apt-config', ['shell', 'PROXY', 'Acquire::http::Proxy'], {
      timeoutMs: 10_000,
    });
    const proxy = /^PROXY='(https?:\/\/[^']+)'/m.exec(stdout)?.[1];
    if (proxy !== undefined) variables['http_proxy'] = proxy;
  }
  return variables;
}
