import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CodedError } from '../../../framework/errors.js';
import { refuseUnfitVolume } from '../../../framework/local/given-volume.js';
import { mountAt, mountHolding, parseMounts } from '../../../framework/local/mounts.js';

const mounts = parseMounts(
  [
    '21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
    '94 21 0:91 / /srv/notebooks rw,relatime - fuse.glusterfs 10.0.0.1:/glustervol rw,user_id=0',
    '95 21 0:92 / /srv/my\\040files rw,relatime - tmpfs one rw',
    '96 95 0:93 / /srv/my\\040files rw,relatime - tmpfs two rw',
    '',
  ].join('\n'),
);

describe("the kernel's list of mounts", () => {
  test('tells what is mounted exactly there, the last one of several', () => {
    assert.equal(mountAt(mounts, '/srv'), undefined);
    assert.equal(mountAt(mounts, '/srv/my files')?.source, 'two');
  });

  test('tells what a file lies in', () => {
    assert.equal(mountHolding(mounts, '/srv/notebooks/below')?.source, '10.0.0.1:/glustervol');
    assert.equal(mountHolding(mounts, '/srv/notebooks-of-others')?.type, 'ext4');
    assert.equal(mountHolding(mounts, '/')?.type, 'ext4');
  });
});

describe('a shared directory that is given', () => {
  test('may be of any type where none is asked for, and need not be there yet', () => {
    refuseUnfitVolume('/proc', undefined);
    refuseUnfitVolume('/not/there', undefined);
    refuseUnfitVolume('/proc/1', 'proc');
  });

  test('is refused, with what it is, where another type is asked for', () => {
    assert.throws(
      () => refuseUnfitVolume('/proc', 'fuse.glusterfs'),
      (error) =>
        error instanceof CodedError && /^\/proc is on proc, not on fuse\.glusterfs/.test(error.message),
    );
  });
});
