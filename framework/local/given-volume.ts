/** Whether a shared directory that was given is the volume that it is said to be. */
import { realpathSync } from 'node:fs';
import { CodedError } from '../errors.js';
import { mountHolding, readMounts } from './mounts.js';

/**
 * Asked before the long steps: nodes on a directory that is no such volume end one after another.
 * @param type the file system type that it must be of; any by default
 * @throws CodedError FILES_UNUSABLE
 */
export function refuseUnfitVolume(shared: string, type: string | undefined): void {
  let path = shared;
  try {
    path = realpathSync(shared);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTCONN') {
      throw new CodedError(
        'FILES_UNUSABLE',
        `the mount at ${shared} is dead: its process is gone, and it never heals. Mount it anew: umount --lazy ${shared} && mount ${shared}`,
      );
    }
    // A directory that is not there yet will lie in the file system that its place is in.
  }
  const found = mountHolding(readMounts(), path)?.type;
  if (type === undefined || found === type) return;
  throw new CodedError(
    'FILES_UNUSABLE',
    `${shared} is on ${found ?? 'no file system that is known'}, not on ${type}: the volume is not mounted there, and files would land on this machine's own disk. "mount ${shared}" where /etc/fstab has it; otherwise "mesos-jupyter host prepare --only volume"`,
  );
}
