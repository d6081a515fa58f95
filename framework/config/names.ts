/** A setting's three names: `leaseTtlS` in code and file, `--lease-ttl-s` as a flag, MESOS_JUPYTER_LEASE_TTL_S in the environment. */

export const variablePrefix = 'MESOS_JUPYTER_';

function words(name: string): string[] {
  return name.split(/(?=[A-Z])|[-_]/).map((word) => word.toLowerCase());
}

/** The flag's name without its dashes. */
export function kebabCase(name: string): string {
  return words(name).join('-');
}

export function flagOf(name: string): string {
  return `--${kebabCase(name)}`;
}

export function variableOf(name: string): string {
  return variablePrefix + words(name).join('_').toUpperCase();
}

/** The known name that looks most like `name`, if any looks like it at all. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.replace(/[-_]/g, '').toLowerCase();
  const wanted = plain(name);
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(wanted, plain(candidate)) }))
    .sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  const farthest = Math.max(2, Math.floor(wanted.length / 3));
  return best !== undefined && best.distance <= farthest ? best.candidate : undefined;
}

/** ` Did you mean X?`, or nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined || nearest === name ? '' : ` Did you mean ${nearest}?`;
}

/** How many letters must be put in, taken out or replaced (Levenshtein), row by row. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min((previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, replaced));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
