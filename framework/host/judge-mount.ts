/** The volume's place on this host: directory, line in /etc/fstab, mount, and a write through it. Pure. */
import { command, type Fact, follows, good, missing, operator, steps, warning } from './facts.js';
import type { Volume } from './gluster.js';
import type { Observation } from './observation.js';
import { fstabLine, type HostWish, isOff, parseFstab } from './wish.js';

export function judgeMount(wish: HostWish, seen: Observation, ofVolume: Volume | undefined): Fact[] {
  return [
    directory(wish, seen),
    fstab(wish, seen),
    mount(wish, seen),
    use(wish, seen),
    writeBehind(seen, ofVolume),
  ];
}

function directory(wish: HostWish, { mount: mounted, directory: seen }: Observation): Fact {
  if (mounted !== undefined) return good('directory', `${wish.shared} is there`);
  switch (seen.kind) {
    case 'empty':
      return good('directory', `${wish.shared} is there, and empty`);
    case 'absent':
      return missing('directory', `${wish.shared} is not there`, steps(command('mkdir', '-p', wish.shared)));
    case 'filled':
      return missing(
        'directory',
        `nothing is mounted at ${wish.shared}, and files lie in it on this host's own disk, which a mount would hide`,
        operator(`look into them and move them away: they are no part of the volume`),
      );
    case 'unusable':
      return missing(
        'directory',
        `${wish.shared} cannot be used: ${seen.why}`,
        operator('make it a directory that root can use'),
      );
    default:
      return seen satisfies never;
  }
}

/** `host:/volume` and `host:volume` mean the same. */
const isOfVolume = (source: string, volume: string): boolean =>
  new RegExp(`^[^:]+:/?${volume}$`).test(source);

function fstab(wish: HostWish, seen: Observation): Fact {
  const line = fstabLine(wish, wish.hosts[seen.self ?? 0] ?? '');
  const entry = parseFstab(seen.fstab).find(({ point }) => point === wish.shared);
  if (entry === undefined) {
    return missing(
      'fstab',
      `/etc/fstab does not mount ${wish.shared} at boot`,
      steps({ kind: 'append', path: '/etc/fstab', line }),
    );
  }
  if (entry.type !== 'glusterfs' || !isOfVolume(entry.source, wish.volume)) {
    return missing(
      'fstab',
      `/etc/fstab mounts ${entry.source} (${entry.type}) at ${wish.shared}`,
      operator(`put in its place: ${line}`),
    );
  }
  const lacking = ['_netdev', ...(wish.hosts.length > 1 ? ['backup-volfile-servers'] : [])].filter(
    (option) => !entry.options.some((given) => given === option || given.startsWith(`${option}=`)),
  );
  return lacking.length === 0
    ? good('fstab', `/etc/fstab mounts ${entry.source} at boot`)
    : warning(
        'fstab',
        `its line in /etc/fstab has no ${lacking.join(' and no ')}`,
        `put in its place: ${line}`,
      );
}

function mount(wish: HostWish, { mount: seen, use: used }: Observation): Fact {
  const doMount = command('mount', wish.shared);
  if (seen === undefined) {
    return missing(
      'mount',
      `nothing is mounted at ${wish.shared}: files would land on this host's own disk`,
      steps(doMount),
    );
  }
  if (seen.type !== 'fuse.glusterfs') {
    return missing(
      'mount',
      `${seen.source} (${seen.type}) is mounted at ${wish.shared}, not a GlusterFS volume`,
      operator(`unmount it if it is not needed there: umount ${wish.shared}`),
    );
  }
  if (!isOfVolume(seen.source, wish.volume)) {
    return missing(
      'mount',
      `another volume is mounted at ${wish.shared}: ${seen.source}`,
      operator(`unmount it if it is not needed there: umount ${wish.shared}`),
    );
  }
  if (used?.kind === 'dead') {
    return missing(
      'mount',
      `the mount at ${wish.shared} is dead: its process is gone, and it never heals (nor does it in containers that have it: their nodes end)`,
      steps(command('umount', '--lazy', wish.shared), doMount),
    );
  }
  return good('mount', `${seen.source} is mounted at ${wish.shared} (${seen.type})`);
}

function use(wish: HostWish, { mount: mounted, use: seen }: Observation): Fact {
  if (mounted === undefined || seen === undefined || seen.kind === 'dead') {
    return missing('use', 'nothing can be written to the volume', follows('mount'));
  }
  switch (seen.kind) {
    case 'works':
      return good('use', 'a file was written, renamed, read and removed on the volume');
    case 'no quorum':
      return missing('use', 'the volume takes no writes: too few of its bricks answer', {
        kind: 'others',
        cure: 'bring hosts and bricks back; the mount heals by itself',
        settles: true,
      });
    case 'read-only':
      return missing(
        'use',
        `the mount at ${wish.shared} is read-only`,
        operator(
          `take "ro" out of /etc/fstab, then: umount ${wish.shared} && mount ${wish.shared}; and gluster volume set ${wish.volume} features.read-only off, if that is on`,
        ),
      );
    case 'hangs':
      return missing('use', `the volume did not answer within ${seen.seconds} s`, {
        kind: 'others',
        cure: 'a brick is lost without a trace, or the mount\'s process hangs: see "bricks", and /var/log/glusterfs',
      });
    case 'fails':
      return missing(
        'use',
        `the volume cannot be used: ${seen.words}`,
        operator('its own words say why; /var/log/glusterfs says more'),
      );
    default:
      return seen satisfies never;
  }
}

function writeBehind({ use: seen }: Observation, ofVolume: Volume | undefined): Fact {
  if (seen?.kind !== 'works') {
    return missing('write-behind', 'not known', follows('use'));
  }
  return seen.writesBehind
    ? missing(
        'write-behind',
        'the mount holds writes back, so that no node on it takes the notebook',
        isOff(ofVolume?.options.get('performance.write-behind') ?? '')
          ? {
              kind: 'others',
              cure: 'the volume has it off, and the mount has not heard of it: mount it anew',
              settles: true,
            }
          : follows('options'),
      )
    : good('write-behind', 'the mount holds no writes back');
}
