/**
 * What an observation means: a fact a line, in the order in which they build on one another. Pure. What is missing carries its
 * remedy, so that the steps of `prepare` are those of the facts, and nothing is brought about that no fact asks for.
 */

import { type Fact, good, missing, operator, steps } from './facts.js';
import { judgeNetwork } from './judge-network.js';
import { judgeVolume } from './judge-volume.js';
import type { Observation } from './observation.js';
import type { HostWish } from './wish.js';

/** Debian's; Mesos' own HTTP health checks run curl on the host. */
const packageOf: Readonly<Record<string, string>> = {
  gluster: 'glusterfs-server',
  glusterd: 'glusterfs-server',
  'mount.glusterfs': 'glusterfs-client',
  curl: 'curl',
};

export function judge(wish: HostWish, seen: Observation): Fact[] {
  const facts = [user(seen), ownPlace(wish, seen), packages(seen)];
  if (wish.parts.includes('network')) facts.push(...judgeNetwork(wish, seen));
  if (wish.parts.includes('volume')) facts.push(...judgeVolume(wish, seen));
  return facts;
}

function user({ isRoot }: Observation): Fact {
  return isRoot
    ? good('user', 'root')
    : missing(
        'user',
        'this is not root, who alone may look at GlusterFS and change a host',
        operator('run it as root'),
      );
}

function ownPlace({ hosts }: HostWish, seen: Observation): Fact {
  const unknown = seen.hosts.filter(({ addresses }) => addresses.length === 0).map(({ host }) => host);
  if (unknown.length > 0) {
    return missing(
      'hosts',
      `no address is known for ${unknown.join(', ')}`,
      operator('put the names into DNS or /etc/hosts of every host, or give addresses'),
    );
  }
  const loopback = seen.hosts.find(({ addresses }) =>
    addresses.every((address) => address.startsWith('127.')),
  );
  if (loopback !== undefined) {
    return missing(
      'hosts',
      `${loopback.host} is ${loopback.addresses.join(', ')} here, which is another machine on every host`,
      operator(`take ${loopback.host} out of the line with 127… in /etc/hosts, or give addresses`),
    );
  }
  if (seen.self === undefined) {
    return missing(
      'hosts',
      `this host has the addresses ${seen.ownAddresses.join(', ')}, of which none is among the hosts ${hosts.join(', ')}`,
      operator('add this host to --hosts, on every host alike'),
    );
  }
  return good('hosts', `this is ${hosts[seen.self]}, host ${seen.self + 1} of ${hosts.length}`);
}

function packages({ missingPrograms, isDebianLike }: Observation): Fact {
  if (missingPrograms.length === 0) return good('packages', 'all programs that are needed are there');
  const names = [...new Set(missingPrograms.map((program) => packageOf[program] ?? program))];
  return missing(
    'packages',
    `${missingPrograms.join(', ')} ${missingPrograms.length === 1 ? 'is' : 'are'} not there`,
    isDebianLike
      ? steps({ kind: 'install', packages: names })
      : operator(`install them as your distribution does (Debian's packages: ${names.join(', ')})`),
  );
}
