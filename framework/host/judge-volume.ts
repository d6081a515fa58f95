/** The GlusterFS volume: daemon, brick, peers, the volume itself and its options. Pure. */
import { dirname } from 'node:path';
import {
  command,
  type Fact,
  follows,
  good,
  missing,
  operator,
  type Remedy,
  repeatedSteps,
  type Step,
  steps,
  warning,
} from './facts.js';
import { hostOfBrick, type Volume } from './gluster.js';
import { judgeMount } from './judge-mount.js';
import type { GlusterSeen, Observation } from './observation.js';
import { brickHosts, createVolume, type HostWish, volumeOptions } from './wish.js';

export function judgeVolume(wish: HostWish, seen: Observation): Fact[] {
  const { gluster } = seen;
  const first = wish.hosts[0] ?? '';
  // Only one host probes and makes the volume: two at once could make two pools, which GlusterFS never joins.
  const isFirst = seen.self === 0;
  const byFirst: Remedy =
    gluster.kind === 'silent'
      ? follows('glusterd')
      : { kind: 'others', cure: `on ${first}, once GlusterFS runs here: mesos-jupyter host prepare --apply` };
  const cluster: GlusterSeen =
    gluster.kind === 'answers' ? gluster : { kind: 'answers', peers: [], volume: undefined, bricksDown: [] };
  const down = bricks(wish, seen, cluster);
  const isOurs = down.verdict === 'missing' && down.remedy.kind === 'steps';
  return [
    daemon(seen),
    brick(wish, seen),
    peers(seen, cluster, isFirst, byFirst),
    volume(wish, cluster.volume, isFirst, byFirst),
    options(wish, cluster.volume, isFirst, byFirst),
    // Ours comes before the mount, which may want it for a quorum; another host's is no reason not to mount what the others have.
    ...(isOurs ? [down] : []),
    ...judgeMount(wish, seen, cluster.volume),
    ...(isOurs ? [] : [down]),
  ];
}

const gluster = (...args: string[]): Step => ({
  kind: 'command',
  command: ['gluster', '--mode=script', ...args],
});
function daemon({ gluster: seen, hasSystemd }: Observation): Fact {
  if (seen.kind === 'answers') {
    return hasSystemd
      ? good('glusterd', 'the GlusterFS daemon answers')
      : good(
          'glusterd',
          'the GlusterFS daemon answers (no systemd here: start it at boot by your own means)',
        );
  }
  return missing(
    'glusterd',
    seen.kind === 'absent'
      ? 'the GlusterFS daemon is not installed'
      : `the GlusterFS daemon does not answer (${seen.why})`,
    steps(hasSystemd ? command('systemctl', 'enable', '--now', 'glusterd') : command('glusterd')),
  );
}

function brick(wish: HostWish, { self, hosts, brick: seen }: Observation): Fact {
  const own = hosts[self ?? -1]?.host ?? '';
  if (!brickHosts(wish).includes(own)) return good('brick', 'no brick lies on this host');
  const parent = dirname(wish.brick);
  if (seen.isOnRoot && !wish.brickOnRoot) {
    return missing(
      'brick',
      `${wish.brick} is on the root file system, which a full volume would fill`,
      operator(
        `mount a file system of its own at ${parent} or above (XFS or ext4; nothing here formats one), give another --brick, or say --brick-on-root`,
      ),
    );
  }
  if (!seen.parentIsThere) {
    return missing(
      'brick',
      `${parent} is not there, for the brick to lie in`,
      steps(command('mkdir', '-p', parent)),
    );
  }
  return seen.isOnRoot
    ? warning(
        'brick',
        `${wish.brick} is on the root file system`,
        'for more than a trial, give bricks a file system of their own',
      )
    : good('brick', `${parent} is there, on a file system of its own`);
}

function peers(
  seen: Observation,
  cluster: Extract<GlusterSeen, { kind: 'answers' }>,
  isFirst: boolean,
  byFirst: Remedy,
): Fact {
  const others = seen.hosts.filter((_, place) => place !== seen.self);
  if (others.length === 0) return good('peers', 'there is one host only');
  const peerOf = (host: (typeof others)[number]) =>
    cluster.peers.find(({ names }) =>
      names.some((name) => name === host.host || host.addresses.includes(name)),
    );
  const outside = others.filter((host) => peerOf(host) === undefined);
  if (outside.length === 0) {
    const away = others.filter((host) => !peerOf(host)?.connected).map(({ host }) => host);
    return away.length === 0
      ? good('peers', `in one pool with ${others.map(({ host }) => host).join(', ')}`)
      : missing(
          'peers',
          `in a pool with ${away.join(', ')}, which ${away.length === 1 ? 'is' : 'are'} not connected`,
          {
            kind: 'others',
            cure: 'start the GlusterFS daemon there, and let TCP 24007 and 49152 to 60999 through between the hosts',
            settles: true,
          },
        );
  }
  const names = outside.map(({ host }) => host).join(', ');
  const says = `not in one pool with ${names}`;
  if (!isFirst) return missing('peers', says, byFirst);
  // Asked for a host that drops what it is sent, GlusterFS would hang for two minutes.
  const [next, ...more] = outside
    .filter(({ answers }) => answers)
    .map(({ host }) => gluster('peer', 'probe', host));
  if (next !== undefined) return missing('peers', says, steps(next, ...more));
  return missing('peers', `${says}: nothing answers there at port 24007`, {
    kind: 'others',
    cure: `on ${names}: mesos-jupyter host prepare --apply, and let TCP 24007 and 49152 to 60999 through between the hosts`,
  });
}

function volume(wish: HostWish, seen: Volume | undefined, isFirst: boolean, byFirst: Remedy): Fact {
  const name = `the volume ${wish.volume}`;
  if (seen === undefined) {
    const create = steps(gluster(...createVolume(wish)), gluster('volume', 'start', wish.volume));
    return missing('volume', `there is no volume ${wish.volume}`, isFirst ? create : byFirst);
  }
  if (!seen.started) {
    const start = steps(gluster('volume', 'start', wish.volume));
    return missing('volume', `${name} is stopped`, isFirst ? start : byFirst);
  }
  const copies = seen.bricks.length;
  const kind = `${seen.type}, ${copies} ${copies === 1 ? 'brick' : 'bricks'}`;
  const isSafe = seen.type === 'Replicate' && copies === 3;
  if (isSafe) return good('volume', `${name} runs: replica ${seen.hasArbiter ? '2 + arbiter' : '3'}`);
  if (copies === 1) {
    return warning(
      'volume',
      `${name} has one copy only: what its host loses is lost`,
      'add hosts for more than a trial, and a replica 3 (docs/hosts.md)',
    );
  }
  if (seen.type === 'Replicate' && copies === 2) {
    return warning(
      'volume',
      `${name} has two copies, which cannot be both safe and available: without the first host nothing can be written, and Jupyter stops`,
      `add a third host, if only for an arbiter: gluster volume add-brick ${wish.volume} replica 3 arbiter 1 HOST:${wish.brick}`,
    );
  }
  // Made by somebody who may know why; it is never made anew.
  return warning(
    'volume',
    `${name} runs, and is none that prepare would have made: ${kind}`,
    'see that it keeps three copies, or two and an arbiter, of everything',
  );
}

function options(wish: HostWish, seen: Volume | undefined, isFirst: boolean, byFirst: Remedy): Fact {
  const wanted = volumeOptions(wish);
  const wrong = wanted.filter(({ name, accepts }) => {
    const value = seen?.options.get(name);
    return value === undefined || !accepts(value);
  });
  if (wrong.length === 0) {
    return good('options', wanted.map(({ name }) => `${name} ${seen?.options.get(name)}`).join(', '));
  }
  const says = wrong
    .map(
      ({ name, value, why }) =>
        `${name} is ${seen?.options.get(name) ?? 'at its default'}, not ${value}: ${why}`,
    )
    .join('; ');
  const set = steps(
    gluster('volume', 'set', wish.volume, ...wrong.flatMap(({ name, value }) => [name, value])),
  );
  if (seen === undefined)
    return missing('options', `the volume's options are not set`, isFirst ? set : follows('volume'));
  return missing('options', says, isFirst ? set : byFirst);
}

function bricks(
  wish: HostWish,
  { self, hosts }: Observation,
  cluster: Extract<GlusterSeen, { kind: 'answers' }>,
): Fact {
  const down = cluster.bricksDown;
  if (cluster.volume === undefined || !cluster.volume.started) {
    return missing('bricks', 'no brick runs', follows('volume'));
  }
  if (down.length === 0) return good('bricks', `all ${cluster.volume.bricks.length} are up`);
  const own = hosts[self ?? -1];
  const isOwn = down.some((one) => {
    const host = hostOfBrick(one);
    return own !== undefined && (host === own.host || own.addresses.includes(host));
  });
  const says = `down: ${down.join(', ')}`;
  // "force" starts bricks that are down, and touches no other; for a while a brick that was killed runs on, to glusterd.
  return isOwn
    ? missing('bricks', says, repeatedSteps(gluster('volume', 'start', wish.volume, 'force')))
    : missing('bricks', says, {
        kind: 'others',
        cure: 'bring that host or its brick back; it is healed by itself then',
      });
}
