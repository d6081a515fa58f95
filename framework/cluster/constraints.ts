/** Where nodes may run, in Marathon's words: a field of the host (its name or an attribute), an operator, and its value. */

/** `field` is `hostname`, or the name of a Mesos agent's attribute. */
export type Constraint = { readonly field: string } & (
  | { readonly operator: 'UNIQUE' }
  /** All on hosts with this value; without one, with that of the first. */
  | { readonly operator: 'CLUSTER'; readonly value?: string }
  /** Spread evenly over the field's values; over at least `groups` of them, where that is given. */
  | { readonly operator: 'GROUP_BY'; readonly groups?: number }
  /** The whole value matches the regular expression. */
  | { readonly operator: 'LIKE'; readonly pattern: string }
  | { readonly operator: 'UNLIKE'; readonly pattern: string }
);

/** What constraints see of a host, or of a task's host. */
export interface Place {
  readonly hostname: string;
  /** Text and numbers among the Mesos agent's attributes. */
  readonly attributes: Readonly<Record<string, string>>;
}

const fieldOf = ({ hostname, attributes }: Place, field: string): string | undefined =>
  field === 'hostname' ? hostname : attributes[field];

/** The constraint as it is written in settings. */
export function describe(constraint: Constraint): string {
  const { field, operator } = constraint;
  switch (operator) {
    case 'UNIQUE':
      return `${field}:UNIQUE`;
    case 'CLUSTER':
      return constraint.value === undefined ? `${field}:CLUSTER` : `${field}:CLUSTER:${constraint.value}`;
    case 'GROUP_BY':
      return constraint.groups === undefined ? `${field}:GROUP_BY` : `${field}:GROUP_BY:${constraint.groups}`;
    case 'LIKE':
    case 'UNLIKE':
      return `${field}:${operator}:${constraint.pattern}`;
  }
}

/**
 * Reads `field:OPERATOR[:value]`.
 * @returns what is wrong with it, in words, where it is none
 */
export function parseConstraint(text: string): Constraint | string {
  const [field = '', operator = '', ...rest] = text.split(':');
  const value = rest.length === 0 ? undefined : rest.join(':');
  if (field === '') return 'has no field before its ":"';
  switch (operator.toUpperCase()) {
    case 'UNIQUE':
      return value === undefined ? { field, operator: 'UNIQUE' } : 'UNIQUE takes no value';
    case 'CLUSTER':
      return { field, operator: 'CLUSTER', ...(value !== undefined && { value }) };
    case 'GROUP_BY': {
      if (value === undefined) return { field, operator: 'GROUP_BY' };
      const groups = Number(value);
      return Number.isSafeInteger(groups) && groups > 0
        ? { field, operator: 'GROUP_BY', groups }
        : 'GROUP_BY takes the least number of groups, a whole number';
    }
    case 'LIKE':
    case 'UNLIKE': {
      if (value === undefined || value === '') return `${operator} takes a regular expression`;
      try {
        new RegExp(value);
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
      return { field, operator: operator.toUpperCase() as 'LIKE' | 'UNLIKE', pattern: value };
    }
    default:
      return `has "${operator}", which is none of UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE`;
  }
}

/**
 * Whether one more task may run at `place`.
 * @param others hosts of the tasks that live
 * @param candidates hosts that could take one now, for GROUP_BY to know which groups there are
 */
export function allows(
  constraint: Constraint,
  place: Place,
  others: readonly Place[],
  candidates: readonly Place[],
): boolean {
  const value = fieldOf(place, constraint.field);
  // As Marathon has it: a host without the attribute only meets what the attribute is not to be like.
  if (value === undefined) return constraint.operator === 'UNLIKE';
  const taken = others.flatMap((other) => fieldOf(other, constraint.field) ?? []);
  switch (constraint.operator) {
    case 'UNIQUE':
      return !taken.includes(value);
    case 'CLUSTER':
      return value === (constraint.value ?? taken[0] ?? value);
    case 'LIKE':
      return new RegExp(`^(?:${constraint.pattern})$`).test(value);
    case 'UNLIKE':
      return !new RegExp(`^(?:${constraint.pattern})$`).test(value);
    case 'GROUP_BY': {
      const groups = new Set([
        ...taken,
        ...candidates.flatMap((each) => fieldOf(each, constraint.field) ?? []),
      ]);
      const count = (group: string): number => taken.filter((each) => each === group).length;
      const fewest = groups.size < (constraint.groups ?? 0) ? 0 : Math.min(...[...groups].map(count));
      return count(value) <= fewest;
    }
  }
}
