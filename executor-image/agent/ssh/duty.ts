/** SSH: fresh keys for this container, everybody's public keys gathered over the volume, and the server. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { containerPaths } from '../../contract.js';
import { afterEnd, noBackoff } from '../backoff.js';
import { Alarm, sleep } from '../clock.js';
import { messageOf, NodeEnd } from '../errors.js';
import type { Log } from '../log.js';
import { describeEnd, Program } from '../program.js';
import { onVolume } from '../volume.js';
import {
  isEarlier,
  type KeyOwner,
  keyFileName,
  type NodeKeys,
  ownerOf,
  parseNodeKeys,
  renderAuthorizedKeys,
  renderKnownHosts,
  renderNodeKeys,
} from './files.js';

const run = promisify(execFile);

const paths = {
  hostKey: '/etc/ssh/ssh_host_ed25519_key',
  userKey: '/root/.ssh/id_ed25519',
  authorizedKeys: '/root/.ssh/authorized_keys',
  knownHosts: '/etc/ssh/ssh_known_hosts',
  serverConfig: '/opt/mesos-jupyter/sshd_config',
  gathered: `${containerPaths.trusted}/ssh`,
} as const;

/**
 * A node that comes is heard of by the directory's watch; often for when there is no quorum to hear by, when the keys cannot be read, and
 * once more after a node came.
 */
const gatherEveryMs = { often: 10_000, seldom: 60_000 };
/** sshd that ended this often without a healthy spell between will not run. */
const mostEnds = 6;

/** Written aside and renamed, so that a node that gathers never reads half of it. */
const publishScript = `
umask 077
cd "$1"
draft=$(mktemp ".$2.XXXXXX")
cat > "$draft"
sync "$draft"
mv "$draft" "$2"
sync .
`;

const listScript = 'exec ls -1U "$1"';
const removeScript = 'cd "$1"; shift; exec rm -f -- "$@"';

/** Only what a shell does by itself, and one `ls`: few processes a look. */
const gatherScript = `
# A pattern that cannot be read fits nothing, without a word: no keys would be known while bricks are lost.
ls -1U "$1" > /dev/null
for file in "$1"/node-*; do
  [ -f "$file" ] || continue
  printf '= %s\\n' "\${file##*/}"
  while read -r line; do printf '%s\\n' "$line"; done < "$file" || :
done
`;

export class Ssh {
  readonly #alarm = new Alarm();
  #gathersSinceNudge = 0;
  #server: Program | undefined;
  #written = '';

  constructor(
    readonly task: KeyOwner & { readonly addresses: readonly string[] },
    /** Whether this node hears of others that come. */
    readonly hears: () => boolean,
    readonly log: Log,
  ) {}

  /** Makes this container's keys and tells the others the public ones. */
  async prepare(): Promise<void> {
    await mkdir('/root/.ssh', { recursive: true, mode: 0o700 });
    await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
    const comment = `node-${this.task.node}`;
    for (const path of [paths.hostKey, paths.userKey]) {
      await rm(path, { force: true });
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path]);
    }
    const keys: NodeKeys = {
      node: this.task.node,
      hostKey: await publicKeyOf(paths.hostKey),
      userKey: await publicKeyOf(paths.userKey),
    };
    try {
      await onVolume(publishScript, [paths.gathered, keyFileName(this.task)], renderNodeKeys(keys));
      await this.#removeEarlier();
      await this.#gather();
    } catch (error) {
      throw new NodeEnd(
        'volumeUnusable',
        `the keys cannot be exchanged over the shared volume: ${messageOf(error)}`,
      );
    }
  }

  /** Keys of this node's earlier tasks are of no use to anybody any more. */
  async #removeEarlier(): Promise<void> {
    const names = (await onVolume(listScript, [paths.gathered])).split('\n');
    const earlier = names.filter((name) => {
      const owner = ownerOf(name);
      return owner?.node === this.task.node && isEarlier(owner, this.task);
    });
    if (earlier.length > 0) await onVolume(removeScript, [paths.gathered, ...earlier]);
  }

  /** Looks for other nodes' keys now: one of them has just come. */
  nudge(): void {
    this.#gathersSinceNudge = 0;
    this.#alarm.ring();
  }

  /** Keeps the server running and the gathered keys up to date, until `signal`. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#serve(signal), this.#keepGathering(signal)]);
  }

  async #serve(signal: AbortSignal): Promise<void> {
    let backoff = noBackoff;
    while (!signal.aborted) {
      this.#server = new Program(
        'sshd',
        '/usr/sbin/sshd',
        ['-D', '-e', '-f', paths.serverConfig],
        {},
        this.log,
      );
      const end = await this.#server.ended;
      if (signal.aborted) return;
      backoff = afterEnd(backoff, end.livedMs);
      const words = `sshd ended with ${describeEnd(end)}: ${this.#server.lastWords}`;
      if (backoff.ends >= mostEnds) throw new NodeEnd('dutyFailed', words);
      this.log.warn(`${words}; starting it again in ${backoff.waitMs} ms`);
      await sleep(backoff.waitMs, signal);
    }
  }

  async #keepGathering(signal: AbortSignal): Promise<void> {
    let failing = false;
    while (!signal.aborted) {
      const isCalm = !failing && this.hears() && this.#gathersSinceNudge >= 2;
      await this.#alarm.wait(isCalm ? gatherEveryMs.seldom : gatherEveryMs.often, signal);
      if (signal.aborted) return;
      this.#gathersSinceNudge += 1;
      try {
        await this.#gather();
        if (failing) this.log.info('the gathered keys can be read again');
        failing = false;
      } catch (error) {
        if (!failing) this.log.warn(`the gathered keys cannot be read: ${messageOf(error)}`);
        failing = true;
      }
    }
  }

  async #gather(): Promise<void> {
    const { addresses } = this.task;
    const keys = parseGathered(await onVolume(gatherScript, [paths.gathered]), addresses.length);
    const authorizedKeys = renderAuthorizedKeys(keys);
    const knownHosts = renderKnownHosts(keys, addresses);
    if (this.#written === authorizedKeys + knownHosts) return;
    await replace(paths.authorizedKeys, authorizedKeys, 0o600);
    await replace(paths.knownHosts, knownHosts, 0o644);
    this.#written = authorizedKeys + knownHosts;
    this.log.info(`the keys of nodes ${keys.map(({ node }) => node).join(', ')} are known`);
  }

  async stop(): Promise<void> {
    await this.#server?.stop(500);
  }
}

/** What the gathering script printed: each task's text under a line `= NAME`. Of each node, its last task's keys count. */
export function parseGathered(output: string, nodes: number): NodeKeys[] {
  const last = new Map<number, { owner: KeyOwner; keys: NodeKeys }>();
  for (const section of output.split(/^= /m).slice(1)) {
    const [name = '', ...lines] = section.split('\n');
    const owner = ownerOf(name);
    if (owner === undefined || owner.node >= nodes) continue;
    const keys = parseNodeKeys(owner.node, lines.join('\n'));
    const other = last.get(owner.node)?.owner;
    if (keys !== undefined && (other === undefined || isEarlier(other, owner)))
      last.set(owner.node, { owner, keys });
  }
  return [...last.values()].map(({ keys }) => keys).sort((a, b) => a.node - b.node);
}

/** The key without its comment. */
async function publicKeyOf(path: string): Promise<string> {
  return (await readFile(`${path}.pub`, 'utf8')).trim().split(' ').slice(0, 2).join(' ');
}

async function replace(path: string, content: string, mode: number): Promise<void> {
  await writeFile(`${path}.new`, content, { mode });
  await rename(`${path}.new`, path);
}
