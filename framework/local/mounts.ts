/** What is mounted where, from the kernel's list, which no mount makes hang. */
import { readFileSync } from 'node:fs';

export interface Mount {
  readonly point: string;
  /** As the kernel calls it, such as `fuse.glusterfs`. */
  readonly type: string;
  readonly source: string;
}

/** In the order of mounting. */
export function readMounts(): Mount[] {
  return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** The fifth field of a line is where the mount is; type and source come after a dash. See proc_pid_mountinfo(5). */
export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ').map(unescapeField);
      const dash = fields.indexOf('-');
      return { point: fields[4] ?? '', type: fields[dash + 1] ?? '', source: fields[dash + 2] ?? '' };
    });
}

/** What is mounted exactly there. Of mounts over one another, the last one shows. */
export function mountAt(mounts: readonly Mount[], path: string): Mount | undefined {
  return mounts.findLast(({ point }) => point === path);
}

/** The mount that a file at this path, which is absolute and has no symbolic links, lies in. */
export function mountHolding(mounts: readonly Mount[], path: string): Mount | undefined {
  const above = mounts.filter(({ point }) => path === point || path.startsWith(point.replace(/\/?$/, '/')));
  const longest = Math.max(...above.map(({ point }) => point.length));
  return above.findLast(({ point }) => point.length === longest);
}

/** A field of the kernel's list, or of /etc/fstab: octal where the character itself would part it. */
export function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
