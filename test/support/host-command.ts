/** Runs `mesos-jupyter` on this machine as an operator does, to its end. */
import { execFile } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../framework/local/package.js';

const program = join(packageRoot, 'dist/framework/main.js');

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An address of this machine's by which others could reach it. */
export const ownAddress: string =
  Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';

/** With none of the settings that the tests themselves were given in the environment. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('MESOS_JUPYTER_')),
  );
}

/** @param wrapper a program that runs another one, and its arguments */
export function runProgram(
  args: readonly string[],
  { wrapper = [], env = {} }: { wrapper?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<Outcome> {
  return runToItsEnd([...wrapper, process.execPath, program, ...args], env);
}

export function runToItsEnd(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const [command = '', ...args] = words;
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { env: { ...bareEnvironment(), ...env }, timeout: 120_000, maxBuffer: 16_000_000 },
      (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code ?? 128), stdout, stderr }),
    );
  });
}
