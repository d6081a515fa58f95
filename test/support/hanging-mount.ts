/** A directory behind a FUSE mount that a test can let hang, as a GlusterFS mount hangs when a brick is lost. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { ensurePackage } from './packages.js';
import { waitFor } from './wait.js';

export class HangingMount {
  private constructor(
    readonly path: string,
    readonly daemon: ChildProcess,
  ) {}

  static async of(source: string, path: string): Promise<HangingMount> {
    ensurePackage('bindfs', '/usr/bin/bindfs');
    if (!existsSync('/dev/fuse'))
      throw new Error('the test needs FUSE: there is no /dev/fuse on this machine');
    mkdirSync(path);
    const { dev } = statSync(path);
    const daemon = spawn('bindfs', ['-f', source, path], { stdio: 'ignore' });
    await waitFor('the mount', 10_000, () => statSync(path).dev !== dev);
    return new HangingMount(path, daemon);
  }

  hang(): void {
    this.daemon.kill('SIGSTOP');
  }

  goOn(): void {
    this.daemon.kill('SIGCONT');
  }

  /** The mount is dead then, though its path is still there. */
  async die(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async remove(): Promise<void> {
    this.goOn();
    execFileSync('umount', ['-l', this.path]);
    await this.#end('SIGTERM');
    rmSync(this.path, { recursive: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.daemon.exitCode !== null || this.daemon.signalCode !== null) return;
    const ended = once(this.daemon, 'exit');
    this.daemon.kill(signal);
    await ended;
  }
}
