/** Offered resources: what of them a task of ours can use, and taking its share of them. */
import type { Needs } from '../cluster/model.js';
import type { Resource, ResourceReservationInfo } from './schema/codec.js';

/** Names that Mesos gives the kinds that the core counts. */
const mesosNames = { cpus: 'cpus', memMb: 'mem', diskMb: 'disk' } as const satisfies Record<
  keyof Needs,
  string
>;
const kinds = Object.keys(mesosNames) as (keyof Needs)[];

/** Not what can be taken away again, is shared, or is somebody's volume. */
const isUsable = (resource: Resource): boolean =>
  resource.type === 'SCALAR' &&
  resource.revocable === undefined &&
  resource.shared === undefined &&
  resource.disk === undefined;

/** The roles that a resource is reserved for, outermost first; none for unreserved ones. */
export function reservationsOf(resource: Resource): ResourceReservationInfo[] {
  if (resource.reservations !== undefined) return resource.reservations;
  if (resource.role !== undefined && resource.role !== '*') {
    const type = resource.reservation === undefined ? 'STATIC' : 'DYNAMIC';
    return [{ type, role: resource.role, ...resource.reservation }];
  }
  return [];
}

/** Whether a role may be offered the resource: unreserved, or reserved for the role or for one above it ("a" for "a/b"). */
export function isFor(role: string, resource: Resource): boolean {
  const reserved = reservationsOf(resource).at(-1)?.role;
  return reserved === undefined || reserved === role || role.startsWith(`${reserved}/`);
}

const isReserved = (resource: Resource): boolean => reservationsOf(resource).length > 0;

/** Mesos keeps scalars to three decimals. */
const rounded = (value: number): number => Math.round(value * 1000) / 1000;

export function usableOf(resources: readonly Resource[]): Needs {
  const sum = (name: string): number =>
    rounded(
      resources
        .filter((resource) => resource.name === name && isUsable(resource))
        .reduce((total, resource) => total + (resource.scalar?.value ?? 0), 0),
    );
  return { cpus: sum(mesosNames.cpus), memMb: sum(mesosNames.memMb), diskMb: sum(mesosNames.diskMb) };
}

/**
 * Takes `needs` from `resources`, reserved ones first, since nobody else can use those.
 * @returns what to put into the TaskInfo (each with its role, reservation and allocation as offered), and what is left
 * @throws RangeError when there is not enough: the core counts before it decides
 */
export function takeResources(
  resources: readonly Resource[],
  needs: Needs,
): { taken: Resource[]; left: Resource[] } {
  const taken: Resource[] = [];
  let left = [...resources].sort((a, b) => Number(isReserved(b)) - Number(isReserved(a)));
  for (const kind of kinds) {
    let wanted = rounded(needs[kind]);
    left = left.flatMap((resource): Resource[] => {
      if (wanted <= 0 || resource.name !== mesosNames[kind] || !isUsable(resource)) return [resource];
      const value = Math.min(wanted, resource.scalar?.value ?? 0);
      if (value <= 0) return [resource];
      wanted = rounded(wanted - value);
      taken.push({ ...resource, scalar: { value: rounded(value) } });
      const rest = rounded((resource.scalar?.value ?? 0) - value);
      return rest > 0 ? [{ ...resource, scalar: { value: rest } }] : [];
    });
    if (wanted > 0) throw new RangeError(`the offers lack ${wanted} ${kind}`);
  }
  return { taken, left };
}
