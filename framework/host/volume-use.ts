/** Uses a mount as a node does. In a child with a time limit: a mount whose brick or process is gone makes every call hang. */
import { type Finished, run } from '../local/command.js';
import type { DirectorySeen, VolumeUse } from './observation.js';

/** Longer than GlusterFS' ping timeout should be: until then a call may hang, and all goes on afterwards. */
export const useLimitS = 25;

/** Ends with 10 where the mount itself does not answer; says `write-behind` where GlusterFS shows that translator. */
const useScript = `
directory=$1 file="$1/$2" text=$3
stat -f "$directory" > /dev/null || {
  python3 -c 'import os, sys; os.getxattr(sys.argv[1], "security.capability")' "$directory" || true
  exit 10
}
trap 'rm -f "$file.part" "$file" 2> /dev/null' EXIT
echo "$text" > "$file.part" && sync "$file.part" && mv "$file.part" "$file" || exit 11
[ "$(cat "$file")" = "$text" ] || { echo 'a file that was written has another content' >&2; exit 12; }
for translator in "$directory"/.meta/graphs/active/*-write-behind; do
  if [ -e "$translator" ]; then echo write-behind; fi
done
rm "$file" || exit 13
`;

/** @param name of the file, which no other host uses at the same time */
export async function useVolume(directory: string, name: string, limitS = useLimitS): Promise<VolumeUse> {
  const text = `${name} ${process.pid}`;
  return readUse(
    await run('/bin/sh', ['-c', useScript, 'sh', directory, name, text], {
      timeoutMs: limitS * 1000,
      env: { LC_ALL: 'C' },
    }),
    limitS,
  );
}

export function readUse({ status, stdout, output }: Finished, limitS: number): VolumeUse {
  const words = output.trim().split('\n').at(-1) ?? '';
  if (status === 0) return { kind: 'works', writesBehind: /^write-behind$/m.test(stdout) };
  if (status === 137) return { kind: 'hangs', seconds: limitS };
  const isNotConnected = /Transport endpoint is not connected/.test(output);
  // With no brick at all statfs fails as it does without the mount's process, but that answers for this attribute by itself (docs/design.md).
  // (GlusterFS' own package needs Python; without it the likelier of the two is taken.)
  if (status === 10 && /Errno 107|python3: not found/.test(output)) return { kind: 'dead' };
  if (isNotConnected) return { kind: 'no quorum' };
  if (/Read-only file system/.test(output)) return { kind: 'read-only' };
  return { kind: 'fails', words };
}

const directoryScript = `
[ -e "$1" ] || exit 10
[ -d "$1" ] || { echo 'it is no directory' >&2; exit 12; }
found=$(ls -A "$1") || exit 12
[ -z "$found" ] || exit 11
`;

/** What is at the volume's place where nothing is mounted. It may lie below another mount, which may hang, too. */
export async function lookAtDirectory(directory: string): Promise<DirectorySeen> {
  const { status, output } = await run('/bin/sh', ['-c', directoryScript, 'sh', directory], {
    timeoutMs: useLimitS * 1000,
  });
  if (status === 0) return { kind: 'empty' };
  if (status === 10) return { kind: 'absent' };
  if (status === 11) return { kind: 'filled' };
  return { kind: 'unusable', why: output.trim().split('\n').at(-1) ?? '' };
}
