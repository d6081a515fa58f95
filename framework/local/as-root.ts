/** What containers write belongs to root. A user who may use Docker, and is not root, gets at it through a container. */
import { CodedError } from '../errors.js';
import { lastLines, run } from './command.js';

export const isRoot = process.getuid?.() === 0;

/** Runs a program of the image as root, with `directory` mounted at /directory and no network. */
export async function asRoot(
  image: string,
  directory: string,
  command: readonly [string, ...string[]],
): Promise<string> {
  const [program, ...args] = command;
  const mount = `type=bind,source=${directory},target=/directory`;
  const { status, stdout, output } = await run('docker', [
    ...['run', '--rm', '--network', 'none', '--mount', mount, '--entrypoint', program, image],
    ...args,
  ]);
  if (status !== 0) {
    throw new CodedError(
      'DOCKER_FAILED',
      `"${command.join(' ')}" on ${directory} failed:\n${lastLines(output, 3)}`,
    );
  }
  return stdout;
}

/** Makes `directory` and all in it this user's own. */
export async function takeOwnership(image: string, directory: string): Promise<void> {
  if (isRoot) return;
  await asRoot(image, directory, [
    'chown',
    '-R',
    `${process.getuid?.()}:${process.getgid?.()}`,
    '/directory',
  ]);
}
