/** Runs a command that the operator gave in a setting. */
import { execFile } from 'node:child_process';

/** A command that hangs must not pile up. */
const timeoutMs = 30_000;

/**
 * Runs `command` in a shell, with `{address}` replaced by an address.
 * @returns what it printed
 * @throws Error with its status and the end of what it printed
 */
export function runOperatorsCommand(command: string, address: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      '/bin/sh',
      ['-c', command.replaceAll('{address}', address)],
      { timeout: timeoutMs },
      (error, stdout, stderr) => {
        const said = `${stdout}${stderr}`.trim().slice(-500);
        if (error === null) resolve(said);
        else
          reject(new Error(`${error.killed ? 'timed out' : `status ${error.code}`}${said && `: ${said}`}`));
      },
    );
  });
}
