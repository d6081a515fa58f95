/** Sees to a Docker engine that answers: finds it, starts it, or installs it on Debian and Ubuntu. */
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CodedError, messageOf } from '../errors.js';
import { failed, lastLines, run, throwIfStopped, withLogFile } from './command.js';
import { createTerminal, type Terminal } from './terminal.js';

export interface EnsureDockerOptions {
  /** Whether packages may be installed. */
  readonly install?: boolean;
  readonly terminal?: Terminal;
  readonly signal?: AbortSignal | undefined;
}

const dockerdLog = '/var/log/mesos-jupyter-dockerd.log';
/** dockerd loads its network rules and storage at its start: seconds on a slow machine, hardly ever more. */
const startTimeoutMs = 90_000;
/** An engine that answers at all answers at once; one that hangs must not hang us. */
const probeTimeoutMs = 20_000;

/**
 * Returns once a Docker engine answers.
 * @throws CodedError DOCKER_UNAVAILABLE where nothing may be installed or started, DOCKER_INSTALL_FAILED where that failed.
 */
export async function ensureDocker(options: EnsureDockerOptions = {}): Promise<void> {
  const { install = true, terminal = createTerminal(), signal } = options;
  const answer = await probeEngine();
  if (answer.kind === 'answers') return;

  const isRoot = process.getuid?.() === 0;
  const trouble = `no Docker engine answers (${answer.reason})`;
  const dockerHost = process.env['DOCKER_HOST'] ?? '';
  if (dockerHost !== '') {
    throw new CodedError(
      'DOCKER_UNAVAILABLE',
      `${trouble} at DOCKER_HOST=${dockerHost}: start it there, or unset the variable`,
    );
  }
  if (answer.kind === 'forbidden') {
    throw new CodedError(
      'DOCKER_UNAVAILABLE',
      `this user may not use the Docker engine: run as root, or join its group with "usermod -aG docker USER" and log in anew`,
    );
  }
  if (!isRoot) {
    throw new CodedError(
      'DOCKER_UNAVAILABLE',
      `${trouble}, and only root may start or install one: run as root, or start it with "systemctl start docker"`,
    );
  }
  if (findProgram('dockerd') === undefined || findProgram('docker') === undefined) {
    if (!install) {
      throw new CodedError(
        'DOCKER_UNAVAILABLE',
        `${trouble}, and --no-install forbids installing one: install Docker (on Debian and Ubuntu "apt-get install docker.io")`,
      );
    }
    if (!isDebianLike()) {
      throw new CodedError(
        'DOCKER_UNAVAILABLE',
        `${trouble}, and this is neither Debian nor Ubuntu: install Docker as your distribution does`,
      );
    }
    terminal.say(`No Docker engine is here (${answer.reason}): installing Debian's docker.io with apt-get.`);
    await installDocker(terminal);
    throwIfStopped(signal);
    if ((await probeEngine()).kind === 'answers') return;
  }
  await terminal.step('Starting the Docker engine', () => startEngine(signal));
}

type Probe =
  | { readonly kind: 'answers' }
  | { readonly kind: 'forbidden'; readonly reason: string }
  | { readonly kind: 'silent'; readonly reason: string };

export async function probeEngine(): Promise<Probe> {
  if (findProgram('docker') === undefined) return { kind: 'silent', reason: 'there is no docker command' };
  const { status, stdout, output } = await run('docker', ['version', '--format', '{{.Server.Version}}'], {
    timeoutMs: probeTimeoutMs,
  });
  if (status === 0 && stdout.trim() !== '') return { kind: 'answers' };
  const reason = lastLines(output, 1).trim() || `docker version ended with status ${status}`;
  return /permission denied/i.test(output) ? { kind: 'forbidden', reason } : { kind: 'silent', reason };
}

/** PATH, and where system programs are: root's PATH has no sbin after a plain `su`, and dockerd calls iptables. */
function systemPath(): string[] {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return [
    ...new Set([...path, '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']),
  ];
}

export function findProgram(name: string): string | undefined {
  return systemPath()
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

export function isDebianLike(): boolean {
  try {
    return /^(ID|ID_LIKE)=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

async function installDocker(terminal: Terminal): Promise<void> {
  await aptInstall(['docker.io', 'iptables', 'ca-certificates'], 'DOCKER_INSTALL_FAILED', terminal);
  // Later releases of Debian have the command in a package of its own.
  if (findProgram('docker') === undefined)
    await aptInstall(['docker-cli'], 'DOCKER_INSTALL_FAILED', terminal);
}

/**
 * Installs Debian packages. Not to be interrupted: half an installation is worse than a late Ctrl-C.
 * @throws CodedError `code` with the end of apt-get's output.
 */
export async function aptInstall(
  packages: readonly string[],
  code: 'DOCKER_INSTALL_FAILED' | 'IMAGE_BUILD_FAILED' | 'HOST_STEP_FAILED',
  terminal: Terminal,
): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  const patience = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Dpkg::Options::=--force-confold'];
  const args = [...patience, 'install', '-y', '--no-install-recommends', ...packages];
  await terminal.step(`Installing ${packages.join(', ')}`, (onLine) =>
    withLogFile('apt-get', async (logFile) => {
      const options = { env, logFile, onLine };
      // A stale index is no reason to give up: what is cached may be enough, and apt-get install says so if not.
      // Without the option, indexes that cannot be fetched are a warning and a status of 0.
      const strictly = ['-o', 'APT::Update::Error-Mode=any'];
      const update = await run('apt-get', [...patience, ...strictly, 'update'], options);
      const { status, output } = await run('apt-get', args, options);
      if (status !== 0) {
        const before = update.status === 0 ? '' : `${lastLines(update.output, 4)}\n`;
        throw failed(code, `apt-get install ${packages.join(' ')}`, status, before + output, logFile);
      }
    }),
  );
}

async function startEngine(signal: AbortSignal | undefined): Promise<void> {
  if (existsSync('/run/systemd/system')) {
    const { status, output } = await run('systemctl', ['start', 'docker'], { timeoutMs: startTimeoutMs });
    if (status !== 0) {
      throw new CodedError(
        'DOCKER_INSTALL_FAILED',
        `"systemctl start docker" ended with status ${status}; "journalctl -u docker" says why:\n${lastLines(output)}`,
      );
    }
    return awaitEngine(signal, () => undefined, 'journalctl -u docker');
  }
  const program = findProgram('dockerd') ?? 'dockerd';
  const log = openLog();
  // It outlives us: containers of others may come to run on it.
  const daemon = spawn(program, [], {
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, PATH: systemPath().join(delimiter) },
  });
  let ended: string | undefined;
  daemon.on('error', (error) => {
    ended = messageOf(error);
  });
  daemon.on('exit', (status, how) => {
    ended = `it ended with ${how ?? `status ${status}`}`;
  });
  daemon.unref();
  await awaitEngine(signal, () => ended, dockerdLog);
}

function openLog(): number {
  try {
    return openSync(dockerdLog, 'a', 0o640);
  } catch (error) {
    throw new CodedError('DOCKER_INSTALL_FAILED', `dockerd's log cannot be written: ${messageOf(error)}`);
  }
}

async function awaitEngine(
  signal: AbortSignal | undefined,
  ended: () => string | undefined,
  log: string,
): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    const probe = await probeEngine();
    if (probe.kind === 'answers') return;
    throwIfStopped(signal);
    const end = ended();
    if (end !== undefined || Date.now() > deadline) {
      const why = end ?? `it did not answer within ${startTimeoutMs / 1000} s (${probe.reason})`;
      const tail = existsSync(log) ? `\n${lastLines(readFileSync(log, 'utf8'))}` : '';
      throw new CodedError(
        'DOCKER_INSTALL_FAILED',
        `dockerd could not be started: ${why}. Its log: ${log}${tail}`,
      );
    }
    await delay(500);
  }
}
