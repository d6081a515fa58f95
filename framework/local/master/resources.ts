/**
 * Arithmetic on Mesos resources: what a host has, less what is offered, less what tasks use. Two entries are of one kind when
 * all but their amounts and their allocation agree (name, reservations, disk, …).
 */
import { reservationsOf } from '../../mesos/resources.js';
import type { Resource, ValueRange } from '../../mesos/schema/codec.js';

/** Scalars are compared and added in thousandths, as Mesos does, so that 0.1 + 0.2 is 0.3. */
const thousandths = (value: number): number => Math.round(value * 1000);

export function withoutAllocation(resources: readonly Resource[]): Resource[] {
  return resources.map(({ allocation_info: _, ...rest }) => rest);
}

export function allocatedTo(role: string, resources: readonly Resource[]): Resource[] {
  return resources.map((resource) => ({ ...resource, allocation_info: { role } }));
}

function kindOf(resource: Resource): string {
  const {
    scalar: _,
    ranges: __,
    set: ___,
    allocation_info: ____,
    role: _____,
    reservation: ______,
    ...rest
  } = resource;
  return JSON.stringify([
    rest.name,
    rest.type,
    reservationsOf(resource),
    rest.disk ?? null,
    rest.provider_id ?? null,
    rest.revocable !== undefined,
    rest.shared !== undefined,
  ]);
}

export function add(a: readonly Resource[], b: readonly Resource[]): Resource[] {
  const sum: Resource[] = a.map((resource) => ({ ...resource }));
  for (const resource of b) {
    const kind = kindOf(resource);
    const at = sum.findIndex((other) => kindOf(other) === kind);
    if (at < 0) sum.push({ ...resource });
    else sum[at] = addOne(sum[at] as Resource, resource);
  }
  return sum.filter((resource) => !isEmpty(resource));
}

/** `a` less `b`; what `b` has and `a` has not is passed over. */
export function subtract(a: readonly Resource[], b: readonly Resource[]): Resource[] {
  const rest: Resource[] = a.map((resource) => ({ ...resource }));
  for (const resource of b) {
    const kind = kindOf(resource);
    const at = rest.findIndex((other) => kindOf(other) === kind);
    if (at >= 0) rest[at] = subtractOne(rest[at] as Resource, resource);
  }
  return rest.filter((resource) => !isEmpty(resource));
}

export function contains(a: readonly Resource[], b: readonly Resource[]): boolean {
  // Summed first, so that two entries of one kind count together.
  const have = add([], a);
  return add([], b).every((wanted) => {
    const kind = kindOf(wanted);
    const found = have.find((resource) => kindOf(resource) === kind);
    return found !== undefined && containsOne(found, wanted);
  });
}

export const amountOf = (resources: readonly Resource[], name: string): number =>
  resources.filter((r) => r.name === name).reduce((sum, r) => sum + thousandths(r.scalar?.value ?? 0), 0) /
  1000;

function isEmpty(resource: Resource): boolean {
  switch (resource.type) {
    case 'SCALAR':
      return thousandths(resource.scalar?.value ?? 0) <= 0;
    case 'RANGES':
      return (resource.ranges?.range ?? []).length === 0;
    case 'SET':
      return (resource.set?.item ?? []).length === 0;
    case 'TEXT':
      return true;
  }
}

function addOne(a: Resource, b: Resource): Resource {
  switch (a.type) {
    case 'SCALAR':
      return {
        ...a,
        scalar: { value: (thousandths(a.scalar?.value ?? 0) + thousandths(b.scalar?.value ?? 0)) / 1000 },
      };
    case 'RANGES':
      return { ...a, ranges: { range: merged([...(a.ranges?.range ?? []), ...(b.ranges?.range ?? [])]) } };
    case 'SET':
      return { ...a, set: { item: [...new Set([...(a.set?.item ?? []), ...(b.set?.item ?? [])])] } };
    case 'TEXT':
      return a;
  }
}

function subtractOne(a: Resource, b: Resource): Resource {
  switch (a.type) {
    case 'SCALAR':
      return {
        ...a,
        scalar: { value: (thousandths(a.scalar?.value ?? 0) - thousandths(b.scalar?.value ?? 0)) / 1000 },
      };
    case 'RANGES': {
      let ranges = merged(a.ranges?.range ?? []);
      for (const cut of b.ranges?.range ?? []) ranges = ranges.flatMap((range) => less(range, cut));
      return { ...a, ranges: { range: ranges } };
    }
    case 'SET': {
      const gone = new Set(b.set?.item ?? []);
      return { ...a, set: { item: (a.set?.item ?? []).filter((item) => !gone.has(item)) } };
    }
    case 'TEXT':
      return a;
  }
}

function containsOne(a: Resource, b: Resource): boolean {
  switch (b.type) {
    case 'SCALAR':
      return thousandths(a.scalar?.value ?? 0) >= thousandths(b.scalar?.value ?? 0);
    case 'RANGES': {
      const have = merged(a.ranges?.range ?? []);
      return merged(b.ranges?.range ?? []).every((want) =>
        have.some((h) => h.begin <= want.begin && h.end >= want.end),
      );
    }
    case 'SET':
      return (b.set?.item ?? []).every((item) => a.set?.item?.includes(item));
    case 'TEXT':
      return true;
  }
}

/** Sorted, and joined where they touch or overlap. */
function merged(ranges: readonly ValueRange[]): ValueRange[] {
  const result: ValueRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.begin - b.begin)) {
    const last = result.at(-1);
    if (last !== undefined && range.begin <= last.end + 1) last.end = Math.max(last.end, range.end);
    else result.push({ ...range });
  }
  return result;
}

function less(range: ValueRange, cut: ValueRange): ValueRange[] {
  if (cut.end < range.begin || cut.begin > range.end) return [range];
  const parts: ValueRange[] = [];
  if (cut.begin > range.begin) parts.push({ begin: range.begin, end: cut.begin - 1 });
  if (cut.end < range.end) parts.push({ begin: cut.end + 1, end: range.end });
  return parts;
}

/** As Mesos prints them in messages (capture 04): `cpus(allocated: jupyter):1000; mem(allocated: jupyter):64`. */
export function describe(resources: readonly Resource[]): string {
  if (resources.length === 0) return '{}';
  return resources
    .map((resource) => {
      const allocation =
        resource.allocation_info?.role === undefined ? '' : `(allocated: ${resource.allocation_info.role})`;
      const stack = reservationsOf(resource).map(
        (r) =>
          `(${[r.type ?? 'UNKNOWN', r.role ?? '*', ...(r.principal === undefined ? [] : [r.principal])].join(',')})`,
      );
      const reserved = stack.length === 0 ? '' : `(reservations: [${stack.join(',')}])`;
      return `${resource.name}${allocation}${reserved}:${amountText(resource)}`;
    })
    .join('; ');
}

function amountText(resource: Resource): string {
  switch (resource.type) {
    case 'SCALAR':
      return String(thousandths(resource.scalar?.value ?? 0) / 1000);
    case 'RANGES':
      return describeRanges(resource.ranges?.range ?? []);
    case 'SET':
      return `{${(resource.set?.item ?? []).join(', ')}}`;
    case 'TEXT':
      return '';
  }
}

export const describeRanges = (ranges: readonly ValueRange[]): string =>
  `[${ranges.map((range) => `${range.begin}-${range.end}`).join(', ')}]`;
