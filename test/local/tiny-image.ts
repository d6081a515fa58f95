/** An image of two megabytes, made from the machine's own static busybox: nothing is pulled. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ports } from '../../executor-image/contract.js';
import { ensurePackage } from '../support/packages.js';

const busybox = '/bin/busybox';

export interface TinyImage {
  readonly name: string;
  remove(): void;
}

/** Answers health checks as a node agent does, and ends when it is told to. */
const healthyScript = `trap 'exit 143' TERM; echo ok > /tmp/livez; httpd -p ${ports.nodeAgent} -h /tmp; while :; do sleep 0.2; done`;

/**
 * With a shell, `sleep`, `nc` and `httpd` in it. Its entry point is `/bin/sh -c`, so that a task's one argument is a script; or it has
 * none, as the one of the captures. One that is healthy is what a scheduler takes for a node.
 */
export function makeTinyImage({ hasEntryPoint = true, isHealthy = false } = {}): TinyImage {
  ensurePackage('busybox-static', busybox);
  const name = `mesos-jupyter-test-tiny:${process.pid}${hasEntryPoint ? '' : '-plain'}${isHealthy ? '-healthy' : ''}`;
  const changes = hasEntryPoint
    ? [
        'ENTRYPOINT ["/bin/sh", "-c"]',
        `CMD ${JSON.stringify([isHealthy ? healthyScript : 'exec sleep 3600'])}`,
      ]
    : ['CMD ["sleep", "3600"]'];
  const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-tiny-'));
  try {
    mkdirSync(join(directory, 'bin'));
    mkdirSync(join(directory, 'tmp'));
    copyFileSync(busybox, join(directory, 'bin/busybox'));
    for (const applet of [
      'sh',
      'sleep',
      'nc',
      'httpd',
      'echo',
      'cat',
      'true',
      'false',
      'dd',
      'tail',
      'hostname',
      'test',
    ]) {
      symlinkSync('busybox', join(directory, 'bin', applet));
    }
    const tar = execFileSync('tar', ['--create', '--directory', directory, '.'], { maxBuffer: 100_000_000 });
    execFileSync('docker', ['import', ...changes.flatMap((change) => ['--change', change]), '-', name], {
      input: tar,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return {
    name,
    remove() {
      execFileSync('docker', ['image', 'rm', '--force', name], { stdio: 'pipe' });
    },
  };
}
