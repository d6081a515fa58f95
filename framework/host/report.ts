/** What the commands print of a host. */
import type { Terminal } from '../local/terminal.js';
import { cureOf, describeStep, type Fact, subjects } from './facts.js';
import { openFacts } from './prepare.js';

const width = Math.max(...subjects.map(({ length }) => length));

/** A line a fact, and its cure below it. */
export function printFacts(facts: readonly Fact[], terminal: Terminal): void {
  for (const fact of facts) {
    const line = `${fact.verdict.padEnd(7)}  ${fact.subject.padEnd(width)}  ${fact.says}`;
    if (fact.verdict === 'good') terminal.good(line);
    else terminal.warn(line);
    const cure = cureOf(fact);
    if (cure !== undefined) terminal.say(`${' '.repeat(width + 11)}→ ${cure}`);
  }
}

export interface Report {
  readonly host: string | undefined;
  /** Whether nothing is missing. */
  readonly ready: boolean;
  readonly facts: readonly { subject: string; verdict: string; says: string; cure?: string }[];
}

export function reportOf(host: string | undefined, facts: readonly Fact[]): Report {
  return {
    host,
    ready: facts.every(({ verdict }) => verdict !== 'missing'),
    facts: facts.map((fact) => {
      const cure = cureOf(fact);
      const { subject, verdict, says } = fact;
      return { subject, verdict, says, ...(cure === undefined ? {} : { cure }) };
    }),
  };
}

/** What `prepare --apply` would do, in order, as far as it can be known before the first step. */
export function printPlan(facts: readonly Fact[], terminal: Terminal): void {
  const open = openFacts(facts);
  if (open.length === 0) terminal.good('Nothing is to be done.');
  for (const { subject, says, remedy } of open) {
    terminal.say(`${subject}: ${says}`);
    if (remedy.kind !== 'steps')
      terminal.warn(`  stops here: ${cureOf({ subject, says, remedy, verdict: 'missing' })}`);
    else for (const step of remedy.steps) terminal.say(`  ${describeStep(step)}`);
  }
  for (const fact of facts) {
    if (fact.verdict === 'warning' && fact.subject !== 'address')
      terminal.warn(`${fact.subject}: ${fact.says}`);
  }
}
