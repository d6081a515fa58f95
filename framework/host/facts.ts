/** A fact about a host: how it is, whether that will do, and what makes it so. */

export const subjects = [
  'user',
  'hosts',
  'packages',
  'docker',
  'pool',
  'network',
  'profile',
  'address',
  'glusterd',
  'brick',
  'peers',
  'volume',
  'options',
  'directory',
  'fstab',
  'mount',
  'use',
  'write-behind',
  'bricks',
] as const;
export type Subject = (typeof subjects)[number];

export type Fact =
  | { readonly verdict: 'good'; readonly subject: Subject; readonly says: string }
  /** It works, and is less than it could be. */
  | { readonly verdict: 'warning'; readonly subject: Subject; readonly says: string; readonly cure: string }
  | {
      readonly verdict: 'missing';
      readonly subject: Subject;
      readonly says: string;
      readonly remedy: Remedy;
    };

export type Remedy =
  /** `prepare` brings it about. */
  | {
      readonly kind: 'steps';
      readonly steps: readonly [Step, ...Step[]];
      /** They may come too early, and are done again while they have not helped. */
      readonly repeats?: true;
    }
  /** Another host's `prepare` does, or its coming back. */
  | {
      readonly kind: 'others';
      readonly cure: string;
      /** It may come by itself a moment after a step of ours: peers and bricks that connect. */
      readonly settles?: boolean;
    }
  /** Nobody but the operator can, or may. */
  | { readonly kind: 'operator'; readonly cure: string }
  /** It comes with a fact before it. */
  | { readonly kind: 'follows'; readonly from: Subject };

export type Step =
  | { readonly kind: 'command'; readonly command: readonly [string, ...string[]]; readonly input?: string }
  | { readonly kind: 'install'; readonly packages: readonly string[] }
  /** Installs a Docker engine where there is none, and starts it. */
  | { readonly kind: 'docker' }
  | { readonly kind: 'append'; readonly path: string; readonly line: string };

export const good = (subject: Subject, says: string): Fact => ({ verdict: 'good', subject, says });
export const warning = (subject: Subject, says: string, cure: string): Fact => ({
  verdict: 'warning',
  subject,
  says,
  cure,
});
export const missing = (subject: Subject, says: string, remedy: Remedy): Fact => ({
  verdict: 'missing',
  subject,
  says,
  remedy,
});

export const steps = (...list: readonly [Step, ...Step[]]): Remedy => ({ kind: 'steps', steps: list });
export const repeatedSteps = (...list: readonly [Step, ...Step[]]): Remedy => ({
  kind: 'steps',
  steps: list,
  repeats: true,
});
export const operator = (cure: string): Remedy => ({ kind: 'operator', cure });
export const follows = (from: Subject): Remedy => ({ kind: 'follows', from });
export const command = (...words: readonly [string, ...string[]]): Extract<Step, { kind: 'command' }> => ({
  kind: 'command',
  command: words,
});

/** The step as somebody would type it. */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'command':
      return step.command.join(' ');
    case 'install':
      return `apt-get install ${step.packages.join(' ')}`;
    case 'docker':
      return 'install Docker (apt-get install docker.io) where it is not there, and start it';
    case 'append':
      return `append to ${step.path}: ${step.line}`;
    default:
      return step satisfies never;
  }
}

/** What to do about a fact; undefined where there is nothing to do. */
export function cureOf(fact: Fact): string | undefined {
  switch (fact.verdict) {
    case 'good':
      return undefined;
    case 'warning':
      return fact.cure;
    case 'missing':
      switch (fact.remedy.kind) {
        case 'steps':
          return `mesos-jupyter host prepare --apply, or: ${fact.remedy.steps.map(describeStep).join('; ')}`;
        case 'follows':
          return `mend "${fact.remedy.from}" first`;
        case 'others':
        case 'operator':
          return fact.remedy.cure;
        default:
          return fact.remedy satisfies never;
      }
    default:
      return fact satisfies never;
  }
}
