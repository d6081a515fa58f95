/** A stand-in for Calico on this machine: its Docker plugin (`calico-plugin.ts`) and its `calicoctl`. Needs root. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pluginSockets } from './calico-plugin.js';

/** The commands of Calico 2.6 that are used here; each call is noted. */
const calicoctl = `#!/bin/sh
set -eu
state=$(dirname "$0")/..
echo "$*" >> "$state/calls"
case "$1 $2" in
  'get ipPool') cat "$state"/pools/* 2> /dev/null || true ;;
  'get profile')
    [ -e "$state/profiles/$3" ] || { echo "Failed to execute command: resource does not exist: Profile(name=$3)" >&2; exit 1; }
    cat "$state/profiles/$3" ;;
  'create -f')
    text=$(cat); cidr=$(echo "$text" | sed -n 's/^ *cidr: //p')
    echo "$text" | sed '1s/^/- /; 2,$s/^/  /' > "$state/pools/$(echo "$cidr" | tr / _)" ;;
  'apply -f')
    text=$(cat); name=$(echo "$text" | sed -n 's/^  name: //p')
    echo "$text" | sed '1s/^/- /; 2,$s/^/  /' > "$state/profiles/$name" ;;
  'ipam release') rm "$state/assigned/\${3#--ip=}" ;;
  *) echo "unknown: $*" >&2; exit 2 ;;
esac
`;

export class CalicoStandIn {
  private constructor(
    readonly directory: string,
    readonly plugin: ChildProcess,
  ) {}

  static async start(): Promise<CalicoStandIn> {
    const there = pluginSockets.find((socket) => existsSync(socket));
    if (there !== undefined) throw new Error(`${there} is there: is this machine's own Calico running?`);
    const directory = mkdtempSync(join(tmpdir(), 'mesos-jupyter-calico-'));
    for (const name of ['pools', 'profiles', 'assigned', 'bin']) mkdirSync(join(directory, name));
    writeFileSync(join(directory, 'calls'), '');
    writeFileSync(join(directory, 'bin/calicoctl'), calicoctl, { mode: 0o755 });
    const plugin = spawn(
      process.execPath,
      [fileURLToPath(new URL('calico-plugin.js', import.meta.url)), directory],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        detached: true,
      },
    );
    await Promise.race([
      once(plugin.stdout, 'data'),
      once(plugin, 'exit').then(() => Promise.reject(new Error('the stand-in for the plugin did not start'))),
    ]);
    return new CalicoStandIn(directory, plugin);
  }

  /** The path with `calicoctl` in it. */
  get path(): string {
    return `${join(this.directory, 'bin')}:${process.env['PATH']}`;
  }

  /** What calicoctl was called with. */
  get calls(): string[] {
    return readFileSync(join(this.directory, 'calls'), 'utf8').trim().split('\n');
  }

  profile(name: string): string {
    return readFileSync(join(this.directory, 'profiles', name), 'utf8');
  }

  /** As a container had it on a host that died: nobody is left to release it. */
  assignElsewhere(address: string): void {
    writeFileSync(join(this.directory, 'assigned', address), 'a host that died\n');
  }

  /** To be called once no network of it is left. */
  async stop(): Promise<void> {
    const ended = once(this.plugin, 'exit');
    this.plugin.stdin?.end();
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }
}
