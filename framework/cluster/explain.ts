/** What the end of a failed task's `stderr` says, and the one failure that needs somebody to act: an address that stays taken. */

/** Lines that Mesos' own executor logs: a letter, the date, the time. */
const executorLog = /^[IWEF]\d{4} \d{2}:\d{2}:\d{2}/;

/** Docker's words in one line; undefined where there are none. */
export function dockerWords(stderr: string): string | undefined {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !executorLog.test(line) && !/^(Run|See) 'docker run --help'/.test(line));
  const said = lines.filter((line) => line.startsWith('docker:')).at(-1) ?? lines.at(-1);
  // Older clients end the line with a full stop.
  return said
    ?.replace(/^docker: /, '')
    .replace(/\.$/, '')
    .slice(0, 500);
}

/**
 * Of a host whose volume's mount has lost its process: Docker cannot look at the directory, would make it, and finds it there
 * (measured, Docker 20.10).
 */
export function saysMountDead(words: string): boolean {
  return /creating mount source path .*: file exists|Transport endpoint is not connected/i.test(words);
}

/** The daemon's own refusal to bind a volume's directory, which comes before it starts the container. */
export function saysNotMounted(words: string): boolean {
  return /^Error response from daemon: error while creating mount source path /i.test(words);
}

/** A plain bridge's words, and those of Calico's IPAM (FACTS, Calico, Docker 2). */
export function saysAddressTaken(words: string): boolean {
  return /Address already in use|Address already assigned/i.test(words);
}
